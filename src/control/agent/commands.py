"""What an operator can ask of a running daemon over its control socket: show, clear, debug, capture, filter, reload."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from ipaddress import IPv4Address
from itertools import chain
from typing import Any, Protocol

from mobileip.control.agent import clock, configured, trial, views
from mobileip.control.agent.aaa import Authorities
from mobileip.control.agent.debug import MOST_FOLLOWERS, Followers, Node, TooManyFollowers
from mobileip.control.agent.verifiers import Verifiers
from mobileip.control.captures import LONGEST_PACKET
from mobileip.control.config.model import Config
from mobileip.control.core.agents import MobilityAgents
from mobileip.control.core.events import ClearBinding, ClearVisitor, Event
from mobileip.control.core.mobile import MobileNode
from mobileip.control.core.tunnel_state import TunnelStates
from mobileip.control.ops.control_socket import ControlError, Handler, Loan
from mobileip.control.ops.journal import Journal
from mobileip.control.ops.log import logger
from mobileip.control.ports import ActionError
from mobileip.control.tunnels import Tunnels

Arguments = Mapping[str, object]
Row = dict[str, Any]


class Daemon(Protocol):
    """The parts of a daemon that its operator sees; one of ``mobile`` and ``agents`` is there."""

    config: Config
    journal: Journal
    followers: Followers
    mobile: MobileNode | None
    agents: MobilityAgents | None
    authorities: Authorities | None
    verifiers: Verifiers | None

    @property
    def tunnels(self) -> Tunnels: ...
    @property
    def paths(self) -> TunnelStates: ...

    def submit(self, event: Event) -> None:
        """Let the machine handle ``event`` now."""

    def reload(self) -> Awaitable[object]:
        """Read the configuration file again; what came of it."""


def handlers(daemon: Daemon) -> dict[str, Handler]:
    return {
        "show": lambda arguments: _show(daemon, arguments),
        "clear": lambda arguments: _clear(daemon, arguments),
        "debug": lambda arguments: _debug(daemon, arguments),
        "capture": lambda arguments: _capture(daemon, arguments),
        "filter": lambda arguments: trial.trial(daemon.config, trial.applicant(arguments)),
        "reload": lambda _: daemon.reload(),
    }


# ---- show


def _show(daemon: Daemon, arguments: Arguments) -> object:
    """``{"what": noun}``: the rows of this daemon's roles; an empty list for what its roles do not have."""
    what = arguments.get("what")
    known = _views(daemon)
    if not isinstance(what, str) or what not in known:
        raise ControlError(f"nothing to show named {what!r}; there are: {', '.join(known)}")
    return known[what]()


def _views(daemon: Daemon) -> dict[str, Callable[[], object]]:
    now = clock.now()
    mobile, agents = daemon.mobile, daemon.agents
    home = None if agents is None else agents.home
    return {
        "bindings": lambda: [] if agents is None else views.bindings(agents, now),
        "groups": lambda: [] if agents is None else views.groups(agents, now),
        "hosts": lambda: configured.hosts(daemon.config, [] if home is None else home.bindings),
        "visitors": lambda: [] if agents is None else views.visitors(agents, now),
        "pending": lambda: [] if agents is None else views.pending(agents, now),
        "agents": lambda: [] if mobile is None else views.heard_agents(mobile, now),
        "registration": lambda: {} if mobile is None else views.registration(mobile, now),
        "filters": lambda: [] if agents is None else views.filters(agents),
        "associations": lambda: chain(
            configured.associations(daemon.config), [] if home is None else configured.learned(home.keys)
        ),
        "aaa": lambda: chain.from_iterable(
            asked.rows() for asked in (daemon.authorities, daemon.verifiers) if asked is not None
        ),
        "violations": daemon.journal.violations.rows,
        "tunnels": lambda: views.tunnels(daemon.tunnels.status(), daemon.tunnels.underlay, daemon.paths, now),
        "drops": lambda: views.drops(daemon.tunnels.drops()),
        "counters": lambda: {**daemon.journal.counters.snapshot(), "data_plane": daemon.tunnels.counters()},
    }


# ---- clear


def _clear(daemon: Daemon, arguments: Arguments) -> list[Row]:
    """``{"what": ..., "home_address": ...}``, with a "care_of_address" or a "home_agent": the rows of what was removed.

    Nobody is told: the node finds out when it renews, and registers anew.
    """
    home_address = _address(arguments, "home_address")
    if home_address is None:
        raise ControlError("home_address is missing")
    care_of_address = _address(arguments, "care_of_address")
    event: Event
    match arguments.get("what"):
        case "binding":
            view, event = views.bindings, ClearBinding(home_address, care_of_address)
        case "visitor":
            view, event = views.visitors, ClearVisitor(home_address, _address(arguments, "home_agent"))
        case what:
            raise ControlError(f"{what!r} cannot be cleared; binding and visitor can")
    if daemon.agents is None:
        raise ControlError(f"this daemon is a mobile node: it has no {arguments['what']}s")
    agents, now = daemon.agents, clock.now()
    before = [row for row in view(agents, now) if row["home_address"] == home_address]
    daemon.submit(event)
    after = list(view(agents, now))
    return [row for row in before if row not in after]


def _address(arguments: Arguments, name: str) -> IPv4Address | None:
    value = arguments.get(name)
    if value is None:
        return None
    try:
        return IPv4Address(value if isinstance(value, str) else "")
    except ValueError:
        raise ControlError(f"{name} {value!r} is no IPv4 address") from None


# ---- debug


def _debug(daemon: Daemon, arguments: Arguments) -> AsyncGenerator[Row, None]:
    """``{"node": name}``: the node's messages as they come; without a name at a mobile node, its own."""
    name, mobile = arguments.get("node"), daemon.mobile
    if name is None and mobile is not None:
        name = str(mobile.home_address)
    if not isinstance(name, str) or not name:
        raise ControlError("say which node: its home address, link-layer address or NAI")
    try:
        node = Node(name, everything=mobile is not None)
    except ValueError:
        raise ControlError(f"{name!r} is no home address, link-layer address or NAI") from None
    if mobile is not None and "." in name and "@" not in name and name != str(mobile.home_address):
        raise ControlError(f"this daemon is the mobile node {mobile.home_address}, and hears of no other")
    try:
        return daemon.followers.follow(node)
    except TooManyFollowers:
        raise ControlError(f"there are {MOST_FOLLOWERS} who follow a node already") from None


# ---- capture


def _capture(daemon: Daemon, arguments: Arguments) -> Loan:
    """``{"address": ..., "snap": bytes}``: a descriptor by which the packets of these tunnels come.

    With it come the name of the tunnel device, and how many tunnels there are now that have the address.
    """
    address, tunnels = _address(arguments, "address"), daemon.tunnels
    snap = arguments.get("snap", LONGEST_PACKET)
    if not isinstance(snap, int) or not 1 <= snap <= LONGEST_PACKET:
        raise ControlError(f"snap {snap!r} is not between 1 and {LONGEST_PACKET} bytes")
    try:
        capture = tunnels.captures.begin(address, snap)
    except ActionError as error:
        raise ControlError(str(error)) from None
    ends = [(one.tunnel.home_address, one.tunnel.local, one.tunnel.remote) for one in tunnels.status()]
    found = sum(address is None or address in some for some in ends)
    logger().info("capture-began", address=address, snap=snap)

    def close() -> None:
        tunnels.captures.end(capture.number)
        os.close(capture.descriptor)
        logger().info("capture-ended", address=address)

    return Loan({"device": daemon.config.daemon.tunnel_device, "tunnels": found}, capture.descriptor, close)
