"""AAA servers as the configuration file has them: where keys of nodes are, and who counts what bindings carry."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Literal, Protocol

from pydantic import Field

from mobileip.control.config.problem import Problem, Severity
from mobileip.control.config.table import Table
from mobileip.control.config.values import (
    Address,
    AlgorithmName,
    ReplayName,
    ServerAddress,
    SharedSecret,
    ShortText,
    choice,
    integer,
    number,
)
from mobileip.control.security.association import Algorithm, ReplayMethod
from mobileip.control.security.secret import Secret

_STRONG_SECRET = 16  # characters (RFC 8907 s10.5.1, RFC 2865 s3)

ServiceType = Annotated[
    Literal["outbound", "framed", "call-check", "none"], choice("outbound", "framed", "call-check", "none")
]


class ServerConfig(Table):
    """An AAA server."""

    address: ServerAddress = Field(description='the server\'s address, such as "192.0.2.10"')
    secret: SharedSecret = Field(description="secret (a text) or secret_file, the same as at the server")
    port: Annotated[int, integer(1, 65535)]
    """Its port, UDP or TCP."""


class RadiusServerConfig(ServerConfig):
    """A RADIUS server. It has to send Message-Authenticator: what comes without is taken for forged (CVE-2024-3596)."""

    port: Annotated[int, integer(1, 65535)] = 1812
    """The UDP port, by RFC 2865."""


class TacacsServerConfig(ServerConfig):
    """A TACACS+ server."""

    port: Annotated[int, integer(1, 65535)] = 49
    """The TCP port, by RFC 8907."""


class AccountingServerConfig(ServerConfig):
    """A RADIUS server for accounting."""

    port: Annotated[int, integer(1, 65535)] = 1813
    """The UDP port, by RFC 2866."""


class _Asked(Table):
    """What is the same for all who are asked for keys."""

    timeout: Annotated[float, number(0.1, 60, "s")] = 1.0
    """How long an answer is waited for before the question is sent again, or the next server asked."""
    dead_time: Annotated[float, number(0, 86_400, "s")] = 10.0
    """How long a server that does not answer is left alone; then one question finds out whether it is back."""
    source: Address | None = None
    """The address to ask from, one of this host. ``None``: as the route to the server says."""
    algorithm: AlgorithmName = Algorithm.HMAC_MD5
    """How authenticators are computed, when the server does not say."""
    replay: ReplayName = ReplayMethod.TIMESTAMPS
    """Replay protection, when the server does not say."""
    replay_tolerance: Annotated[float, number(0.1, 3600, "s")] = 7.0  # RFC 5944 s5.7.1
    """How far a timestamp may be from our clock, when the server does not say."""


class RadiusConfig(_Asked):
    """The source ``radius``: an Access-Request with the node's home address or name as User-Name; the answer has keys
    as Cisco-AVPair ``mobileip:spi#0=spi 100 key hex ...`` or in 3GPP2's attributes 57 and 58. See docs/aaa.md.
    """

    servers: tuple[RadiusServerConfig, ...] = Field(
        description="at least one [[home_agent.keys.radius.servers]] table", min_length=1
    )
    tries: Annotated[int, integer(1, 10)] = 2
    """How often one server is sent a question."""
    password: SharedSecret = Secret(b"cisco")
    """The User-Password of every node, "cisco" as with Cisco's home agents if it is left out; "{user}" in it is the
    User-Name."""
    service_type: ServiceType = "outbound"
    """The Service-Type of requests."""
    nas_identifier: ShortText | None = None
    """The NAS-Identifier, our name. ``None``: ``daemon.name``."""


class TacacsConfig(_Asked):
    """The source ``tacacs``: authorization of service ``mobileip`` with the node's home address or name as user; the
    answer has keys as arguments ``spi#0=spi 100 key hex ...``. See docs/aaa.md.
    """

    servers: tuple[TacacsServerConfig, ...] = Field(
        description="at least one [[home_agent.keys.tacacs.servers]] table", min_length=1
    )
    timeout: Annotated[float, number(0.1, 60, "s")] = 3.0
    """How long a reply is waited for, connection included, before the next server is asked."""


class AccountingConfig(Table):
    """Accounting of bindings to RADIUS servers (RFC 2866): beginning and end of each, reports on the way with the bytes
    and packets in both directions. Registrations and traffic never wait for it.
    """

    servers: tuple[AccountingServerConfig, ...] = Field(
        description="at least one [[home_agent.accounting.servers]] table", min_length=1
    )
    interim_interval: Annotated[float, number(0, 86_400, "s", "0: no reports")] = 600.0
    """Time between two reports of a binding; each move is reported too."""
    timeout: Annotated[float, number(0.1, 60, "s")] = 2.0
    """How long an answer is waited for before the record is sent again, or to the next server."""
    tries: Annotated[int, integer(1, 10)] = 3
    """How often one server is sent a record."""
    dead_time: Annotated[float, number(0, 86_400, "s")] = 10.0
    """How long a server that does not answer is left alone; then one record finds out whether it is back."""
    source: Address | None = None
    """The address to send from, one of this host. ``None``: as the route to the server says."""
    nas_identifier: ShortText | None = None
    """The NAS-Identifier, our name. ``None``: ``daemon.name``."""
    user_name: Annotated[Literal["nai", "home-address"], choice("nai", "home-address")] = "nai"
    """The User-Name: the name that a node proved to be its own, if it is known by one, else its home address; or always
    the ``home-address``."""
    max_queue: Annotated[int, integer(10, 1_000_000, "records")] = 10_000
    """Records that wait for a server; beyond it new ones are given up (``accounting-lost``), reports on the way already
    beyond half of it."""


class WithServers(Protocol):
    """A table that has servers, and how they are asked."""

    @property
    def servers(self) -> tuple[ServerConfig, ...]: ...
    @property
    def timeout(self) -> float: ...


def check_servers(where: str, table: WithServers, limit: float = math.inf) -> Iterator[Problem]:
    """``limit``: how long, in seconds, all sources have for a question."""
    seen: dict[tuple[object, int], int] = {}
    for index, server in enumerate(table.servers):
        place = f"{where}.servers[{index}]"
        first = seen.setdefault((server.address, server.port), index)
        if first != index:
            yield Problem(f"{place}.address", f"{server.address} is already {where}.servers[{first}]")
        if len(server.secret.reveal()) < _STRONG_SECRET:
            yield Problem(
                f"{place}.secret",
                f"is short: what it hides can be found by trying; {_STRONG_SECRET} characters at least"
                " (openssl rand -base64 24)",
                Severity.WARNING,
            )
    tries = getattr(table, "tries", 1)
    longest = table.timeout * tries * len(table.servers)
    if longest > limit:
        yield Problem(
            f"{where}.timeout",
            f"all its servers together may take {longest:g} s, more than home_agent.keys.timeout ({limit:g} s):"
            " the last ones would not be asked",
            Severity.WARNING,
        )
