"""Where a home agent gets the keys of nodes that its file does not name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from mobileip.control.config.problem import Problem, Severity
from mobileip.control.config.servers import RadiusConfig, TacacsConfig, check_servers
from mobileip.control.config.table import Table
from mobileip.control.config.values import AbsolutePath, choice, integer, number

Source = Annotated[
    Literal["config", "files", "radius", "tacacs"], choice("config", "files", "radius", "tacacs")
]
UserName = Annotated[Literal["auto", "nai", "home-address"], choice("auto", "nai", "home-address")]


class KeyFilesConfig(Table):
    """Key files that only a master key opens; `mobileip keys` makes them."""

    directory: AbsolutePath = Field(
        description='the directory of the key files, such as "/etc/mobileip/keys"'
    )
    master_key: AbsolutePath = Field(
        description="a file, mode 600, with what opens them: (umask 077; openssl rand -hex 32 > FILE);"
        " with systemd a credential, $CREDENTIALS_DIRECTORY/NAME"
    )


class KeysConfig(Table):
    """Who is asked for the keys of nodes. The node's request waits, other requests do not."""

    sources: tuple[Source, ...] = Field(
        description='who is asked, in this order, such as ["files"]', min_length=1
    )
    """Who is asked, in this order: ``files``, ``radius``, ``tacacs``, and ``config``, the nodes of the configuration
    file. The first that knows the node decides. ``config`` is first if it is left out: what is in the file is then
    asked for nowhere."""
    user_name: UserName = "auto"
    """What a node is asked for by: its ``home-address``, the name in its ``nai`` extension if it has one, or, with
    ``auto``, the name if its address is from a pool, else the address. See docs/aaa.md."""
    files: KeyFilesConfig | None = None
    """Needed by the source ``files``."""
    radius: RadiusConfig | None = None
    """Needed by the source ``radius``."""
    tacacs: TacacsConfig | None = None
    """Needed by the source ``tacacs``."""
    lifetime: Annotated[float, number(1, 604_800, "s")] = 3600.0
    """How long an answer counts if its source does not say. A wrong SPI or authenticator has the key read again before,
    once in 10 s for each node; a reload has all of them."""
    unknown_lifetime: Annotated[float, number(1, 86_400, "s")] = 60.0
    """How long a node that no source knows is discarded without asking again."""
    stale_lifetime: Annotated[float, number(0, 2_592_000, "s")] = 86_400.0
    """How much longer than its lifetime a key is used while its source cannot be asked."""
    retry_interval: Annotated[float, number(1, 3600, "s")] = 30.0
    """After what time it is asked again for such a key."""
    timeout: Annotated[float, number(0.1, 60, "s")] = 10.0
    """How long a request waits for its key, with all sources together."""
    max_known: Annotated[int, integer(1, 10_000_000)] = 100_000
    """Nodes whose keys are kept in memory; beyond it the one asked for longest ago is forgotten."""
    max_questions: Annotated[int, integer(4, 65_536)] = 256
    """Nodes asked for at one time; a quarter of it for one sender of requests, and a quarter for nodes known before."""
    max_rate: Annotated[int, integer(4, 100_000, "nodes a second")] = 1000
    """Nodes not known before that are asked for; a quarter of it for one sender of requests."""


def check_keys(keys: KeysConfig) -> Iterator[Problem]:
    """Sources and their tables."""
    where = "home_agent.keys"
    if set(keys.sources) == {"config"}:
        yield Problem(
            f"{where}.sources", "names nobody beside this file: add who else is asked, or leave the table out"
        )
    for index, source in enumerate(keys.sources):
        if source in keys.sources[:index]:
            yield Problem(f"{where}.sources[{index}]", f"{source} is there already")
    tables = (("files", "directory and master_key"), ("radius", "servers"), ("tacacs", "servers"))
    for name, what in tables:
        present = getattr(keys, name) is not None
        if name in keys.sources and not present:
            yield Problem(f"{where}.{name}", f"is missing: {what} of the source {name}")
        if present and name not in keys.sources:
            yield Problem(f"{where}.{name}", f"is not used: {name} is not one of sources", Severity.WARNING)
    for name, servers in (("radius", keys.radius), ("tacacs", keys.tacacs)):
        if servers is not None:
            yield from check_servers(f"{where}.{name}", servers, keys.timeout)
