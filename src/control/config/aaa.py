"""AAA servers that say whether a node is who it says it is (RFC 4721): Mobile-AAA authentication, by RADIUS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from mobileip.control.config.keys import KeysConfig
from mobileip.control.config.problem import Problem, Severity
from mobileip.control.config.servers import RadiusServerConfig, ServiceType, check_servers
from mobileip.control.config.table import Table
from mobileip.control.config.values import Address, ShortText, choice, integer, number

Authenticate = Annotated[Literal["when-present", "required"], choice("when-present", "required")]


class AaaConfig(Table):
    """How a proof is asked about: an Access-Request with the node's name, or its home address if it has none, as
    User-Name, with CHAP-Password and CHAP-Challenge (RFC 4721 s8). The node's request waits, other requests do not.
    """

    timeout: Annotated[float, number(0.1, 60, "s")] = 1.0
    """How long an answer is waited for before the question is sent again, or the next server asked."""
    tries: Annotated[int, integer(1, 10)] = 2
    """How often one server is sent a question."""
    dead_time: Annotated[float, number(0, 86_400, "s")] = 10.0
    """How long a server that does not answer is left alone; then one question finds out whether it is back."""
    source: Address | None = None
    """The address to ask from, one of this host. ``None``: as the route to the server says."""
    service_type: ServiceType = "framed"
    """The Service-Type of requests, by which a server can tell them from those for keys."""
    nas_identifier: ShortText | None = None
    """The NAS-Identifier, our name. ``None``: ``daemon.name``."""
    max_rate: Annotated[int, integer(4, 100_000, "questions a second")] = 1000
    """Questions about nodes that are not known otherwise; a quarter of it for one sender of requests."""


class HomeAaaConfig(AaaConfig):
    """Mobile-AAA authentication (RFC 4721) of nodes at the home agent, besides the one with their key. Each proof is
    asked about once; a deregistration needs none.
    """

    authenticate: Authenticate = "when-present"
    """Whose proof is asked about: ``when-present`` that of nodes that send one, ``required`` that of all: who sends
    none is denied. A wrong one is denied, code 144."""
    servers: tuple[RadiusServerConfig, ...] = ()
    """The [[home_agent.aaa.servers]] tables. Empty: the servers of ``home_agent.keys.radius``."""
    max_questions: Annotated[int, integer(4, 65_536)] = 256
    """Proofs asked about at one time; a quarter of it for one sender of requests, and a quarter for nodes whose key is
    known."""


class ForeignAaaConfig(AaaConfig):
    """Mobile-AAA authentication (RFC 4721) of visitors: each request that has a proof is asked about before it is
    relayed, and a wrong one denied (code 108). As many as ``max_pending`` wait at one time.
    """

    servers: tuple[RadiusServerConfig, ...] = Field(
        description="at least one [[foreign_agent.aaa.servers]] table", min_length=1
    )


def check_home_aaa(aaa: HomeAaaConfig, keys: KeysConfig | None) -> Iterator[Problem]:
    if not aaa.servers and (keys is None or keys.radius is None):
        yield Problem(
            "home_agent.aaa.servers",
            "is missing: at least one [[home_agent.aaa.servers]] table, or [home_agent.keys.radius] with servers",
        )
    yield from check_servers("home_agent.aaa", aaa)


def check_foreign_aaa(aaa: ForeignAaaConfig, challenges: bool) -> Iterator[Problem]:
    """``challenges``: whether nodes are challenged."""
    if not challenges:
        yield Problem(
            "foreign_agent.aaa",
            "without a table [foreign_agent.challenge] a recorded proof is as good as a new one,"
            " and none is demanded: add the table",
            Severity.WARNING,
        )
    yield from check_servers("foreign_agent.aaa", aaa)
