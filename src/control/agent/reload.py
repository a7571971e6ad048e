"""What a changed configuration file means for a running daemon: which changes apply at once, which need a restart.

Nothing here touches the daemon. :func:`merge` gives the configuration that it can have without losing a binding: the
one it has, with every change from the file that can be applied in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from mobileip.control.agent.settings import most_tunnels
from mobileip.control.config.checks import Parts, check
from mobileip.control.config.filters import FilterConfig
from mobileip.control.config.model import Config
from mobileip.control.config.problem import Severity
from mobileip.control.config.servers import ServerConfig
from mobileip.control.ops.plain import plain
from mobileip.control.security.secret import Secret

IN_PLACE: Final = frozenset(
    {
        "daemon.log_level",
        "daemon.log_format",
        "daemon.log_rate",
        "home_agent.max_lifetime",
        "home_agent.reverse_tunnel",
        "home_agent.max_bindings",
        "home_agent.idle_timeout",
        "home_agent.max_new_rate",
        "home_agent.redirect_to",
        "home_agent.reject_static_addresses",
        "home_agent.max_simultaneous",
        "home_agent.encapsulations",
        "home_agent.multicast_query_interval",
        "home_agent.max_node_groups",
        "home_agent.max_memberships",
        "home_agent.foreign_agents",
        "home_agent.networks.advertise",
        "home_agent.nodes",
        "home_agent.aaa.authenticate",
        "home_agent.filters",
        "home_agent.keys",
        "home_agent.accounting",
        "home_agent.filter_default",
        "foreign_agent.max_lifetime",
        "foreign_agent.max_visitors",
        "foreign_agent.max_pending",
        "foreign_agent.pending_timeout",
        "foreign_agent.reverse_tunnel",
        "foreign_agent.registration_required",
        "foreign_agent.encapsulating_delivery",
        "foreign_agent.encapsulations",
        "foreign_agent.gre_keys",
        "foreign_agent.interfaces.advertise",
        "foreign_agent.nodes",
        "foreign_agent.home_agents",
        "foreign_agent.filters",
        "foreign_agent.filter_default",
        "foreign_agent.challenge",
        "mobile_node.home_agents",
        "mobile_node.lifetime",
        "mobile_node.spi",
        "mobile_node.spi_out",
        "mobile_node.key",
        "mobile_node.algorithm",
        "mobile_node.replay",
        "mobile_node.co_located",
        "mobile_node.agent_wait",
        "mobile_node.agents",
        "mobile_node.hold_down",
        "mobile_node.solicit_by_broadcast",
        "mobile_node.solicitation_delay",
        "mobile_node.simultaneous",
        "mobile_node.foreign_agents",
        "mobile_node.aaa",
    }
)
"""Keys, each with all below it, that a running daemon can change. Everything else needs a restart."""

_OPTIONAL: Final = ("home_agent.keys", "home_agent.accounting")
"""Tables that may come and go in a running daemon, with all below them."""

_LIMITS: Final = ("home_agent.max_bindings", "home_agent.max_simultaneous", "foreign_agent.max_visitors")
"""What says how many tunnels there may be; the data plane's table is made for a multiple of it when it starts."""

# By what an element of a list is recognised. In lists that are in place as a whole, elements may come and go.
_IDENTITY: Final = {
    "home_agent.nodes": ("nai", "home_address", "home_addresses", "spi"),
    "home_agent.foreign_agents": ("address", "spi"),
    "foreign_agent.nodes": ("nai", "home_address", "spi"),
    "foreign_agent.home_agents": ("address", "spi"),
    "mobile_node.foreign_agents": ("address", "spi"),
    "home_agent.networks": ("prefix", "interface"),
    "foreign_agent.interfaces": ("name",),
}

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between the file and the running daemon; ``applied``: not any more."""

    key: str
    text: str
    applied: bool


def merge(running: Config, file: Config, capacity: int) -> tuple[Config, list[Change]]:
    """The configuration to go on with, and what is different in the file.

    ``capacity`` is the most tunnels that the running daemon has room for: limits that allow more are not raised. If
    what can be applied in place makes no sense without what cannot, nothing of it is applied.
    """
    changes: list[Change] = []
    merged = _tables(running, file, "", "", changes)
    if most_tunnels(merged) > max(capacity, most_tunnels(running)):
        merged = _with_limits_of(running, merged)
        changes = [_waits(change, capacity) if change.key in _LIMITS else change for change in changes]
    if any(problem.severity is Severity.ERROR for problem in check(Parts.of(merged))):
        return running, [Change(change.key, change.text, False) for change in changes]
    return merged, changes


def _with_limits_of(running: Config, merged: Config) -> Config:
    tables: dict[str, Any] = {}
    for key in _LIMITS:
        role, name = key.split(".")
        before, after = getattr(running, role), tables.get(role, getattr(merged, role))
        if before is not None and after is not None:
            tables[role] = after.model_copy(update={name: getattr(before, name)})
    return merged.model_copy(update=tables)


def _waits(change: Change, capacity: int) -> Change:
    return Change(change.key, f"{change.text} (this daemon has room for {capacity} tunnels)", False)


def is_in_place(key: str) -> bool:
    """Whether ``key``, a path such as ``home_agent.nodes.spi``, can change in a running daemon."""
    parts = key.split(".")
    return any(".".join(parts[:length]) in IN_PLACE for length in range(1, len(parts) + 1))


def _tables(running: M, file: M, key: str, shown: str, changes: list[Change]) -> M:
    update: dict[str, Any] = {}
    for name in type(running).model_fields:
        before, after = getattr(running, name), getattr(file, name)
        if before == after:
            continue
        inner_key, inner_shown = _join(key, name), _join(shown, name)
        update[name] = _values(before, after, inner_key, inner_shown, changes)
    return running.model_copy(update=update)


def _values(before: Any, after: Any, key: str, shown: str, changes: list[Change]) -> Any:
    if isinstance(before, BaseModel) and isinstance(after, BaseModel):
        return _tables(before, after, key, shown, changes)
    # Most tables that come or go are something else to do or not to do, not another way to do it.
    table = isinstance(before, BaseModel) or isinstance(after, BaseModel)
    applied = is_in_place(key) and (not table or key.startswith(_OPTIONAL))
    if key in _IDENTITY:
        return _lists(before, after, key, shown, changes)
    changes.append(Change(shown, _difference(before, after), applied))
    return after if applied else before


def _lists(
    before: Sequence[BaseModel], after: Sequence[BaseModel], key: str, shown: str, changes: list[Change]
) -> Sequence[BaseModel]:
    applied = is_in_place(key)
    old = {_identity(key, element): element for element in before}
    new = {_identity(key, element): element for element in after}
    merged = []
    for name, element in new.items():
        if name not in old:
            changes.append(Change(f"{shown}[{name}]", "added", applied))
            merged += [element] if applied else []
        elif old[name] != element:
            merged.append(_tables(old[name], element, key, f"{shown}[{name}]", changes))
        else:
            merged.append(element)
    for name, element in old.items():
        if name not in new:
            changes.append(Change(f"{shown}[{name}]", "removed", applied))
            merged += [] if applied else [element]
    return tuple(merged)


def _identity(key: str, element: BaseModel) -> str:
    values = (getattr(element, name) for name in _IDENTITY[key])
    return " ".join(str(value) for value in values if value is not None)


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _difference(before: object, after: object) -> str:
    if isinstance(before, Secret) or isinstance(after, Secret):
        return "changed"
    was, becomes = _text(before), _text(after)
    return "changed" if was == becomes else f"{was} -> {becomes}"


def _text(value: object) -> str:
    match value:
        case None:
            return "default"
        case bool():
            return str(value).lower()
        case FilterConfig():
            return str(value)
        case ServerConfig():
            return f"{value.address}:{value.port}"
        case BaseModel():
            return "a table"
        case tuple():
            return ", ".join(map(_text, value)) or "none"
        case _:
            return str(plain(value))
