"""The home agent: each refusal, each acceptance, each way a binding ends (RFC 5944 s3.8)."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from mobileip.control.core.actions import (
    Action,
    ClaimAddress,
    InstallBindingRoute,
    InstallNetworkRoute,
    InstallTunnel,
    SendDatagram,
    TunnelSide,
)
from mobileip.control.core.events import DatagramReceived
from mobileip.control.core.home import HomeAgent, HomeAgentSettings, HomeNetwork
from mobileip.control.core.policy import ReverseTunnelPolicy
from mobileip.control.reasons import Reason
from mobileip.control.security import AssociationTable
from mobileip.control.types import Endpoint, Identification, Lifetime, Spi
from mobileip.control.wire import (
    ForeignHomeAuthentication,
    MobileHomeAuthentication,
    RegistrationRequest,
    RequestFlags,
    parse,
)
from tests.unit.core.factory import (
    ASSOCIATION,
    CARE_OF,
    HOME,
    HOME_AGENT,
    HOME_NETWORK,
    KEYED,
    OTHER_CARE_OF,
    WRONG_ASSOCIATION,
    at,
    datagram,
    is_signed,
    kinds,
    mono,
    only,
    reasons,
    request,
    sent_reply,
    stamp,
)

NEIGHBOUR = IPv4Address("192.0.2.11")
STRANGER = IPv4Address("192.0.3.10")  # configured, but in no home network
ACCEPT = ["InstallTunnel", "InstallBindingRoute", "ClaimAddress", "SendDatagram"]
MOVE = ["InstallTunnel", "SendDatagram", "ClaimAddress"]
UNDO = ["RemoveBindingRoute", "ReleaseAddress", "RemoveTunnel"]


def home_agent(
    *,
    virtual: bool = False,
    max_lifetime: int = 1000,
    policy: ReverseTunnelPolicy = ReverseTunnelPolicy.OPTIONAL,
    max_bindings: int = 10,
) -> HomeAgent:
    table = AssociationTable(
        [(HOME, ASSOCIATION), (HOME, KEYED), (STRANGER, ASSOCIATION), (NEIGHBOUR, ASSOCIATION)]
    )
    network = HomeNetwork(HOME_NETWORK, None if virtual else "home0")
    return HomeAgent(
        HomeAgentSettings(HOME_AGENT, (network,), table, Lifetime(max_lifetime), policy, max_bindings)
    )


def ask(agent: HomeAgent, event: DatagramReceived | bytes, time: float = 0.0) -> list[Action]:
    if isinstance(event, bytes):
        event = datagram(event)
    message = parse(event.payload)
    assert isinstance(message, RegistrationRequest)
    return agent.on_request(message, event, at(time))


# ---- silence


@pytest.mark.rfc("5944", "3.2", 2)
@pytest.mark.rfc("5944", "3.3", 2)
@pytest.mark.rfc("5944", "3.5.2", 1)
@pytest.mark.rfc("5944", "3.8.2.1", 3, 4, 6, 7, 26, 27)
@pytest.mark.rfc("3024", "4", 2)
@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (request(association=None), Reason.NO_AUTHORIZATION_EXTENSION),
        (
            request(after=(MobileHomeAuthentication(Spi(1000), bytes(16)),)),
            Reason.NO_AUTHORIZATION_EXTENSION,
        ),
        (request(home_address=IPv4Address("192.0.2.99")), Reason.UNKNOWN_ASSOCIATION),
        (
            request(association=None, after=(MobileHomeAuthentication(Spi(4000), bytes(16)),)),
            Reason.UNKNOWN_ASSOCIATION,
        ),
        (
            request(after=(ForeignHomeAuthentication(Spi(1000), bytes(16)),)),
            Reason.UNEXPECTED_FOREIGN_HOME,
        ),
    ],
    ids=["unsigned", "signed twice", "unknown node", "unknown SPI", "foreign-home without association"],
)
def test_discarded_silently(payload: bytes, reason: Reason) -> None:
    agent = home_agent()
    actions = ask(agent, payload)
    assert reasons(actions) == [reason]
    assert kinds(actions) == []
    assert len(agent.bindings) == 0


# ---- denials


def denial(agent: HomeAgent, payload: bytes, reason: Reason, code: int, time: float = 0.0) -> None:
    before = list(agent.bindings)
    actions = ask(agent, payload, time)
    assert reasons(actions) == [reason]
    assert kinds(actions) == ["SendDatagram"]
    answer = sent_reply(actions)
    asked = parse(payload)
    assert isinstance(asked, RegistrationRequest)
    assert answer.code == code == reason.info.code
    assert (answer.home_address, answer.home_agent) == (asked.home_address, HOME_AGENT)
    assert answer.identification.low == asked.identification.low
    assert answer.lifetime == asked.lifetime
    assert is_signed(answer)
    assert list(agent.bindings) == before


REQUIRED, UNAVAILABLE = ReverseTunnelPolicy.REQUIRED, ReverseTunnelPolicy.UNAVAILABLE
PLAIN = RequestFlags()


@pytest.mark.rfc("5944", "3.6.1.2", 17)
@pytest.mark.rfc("5944", "3.4", 6)
@pytest.mark.rfc("5944", "3.5.2", 1)
@pytest.mark.rfc("5944", "3.8.2", 3)
@pytest.mark.rfc("5944", "3.8.2.1", 2, 5, 8, 10, 11, 13, 14, 15, 17, 18, 30)
@pytest.mark.rfc("5944", "3.8.2.3", 1)
@pytest.mark.rfc("5944", "3.8.3", 3)
@pytest.mark.rfc("5944", "3.8.3.2", 5, 6, 9, 10)
@pytest.mark.rfc("5944", "3.8.3.3", 2)
@pytest.mark.rfc("5944", "5.1", 1)
@pytest.mark.rfc("5944", "5.7", 1, 3)
@pytest.mark.rfc("5944", "5.7.1", 5, 8)
@pytest.mark.rfc("3024", "3.4", 1, 3, 5)
@pytest.mark.rfc("3024", "4", 2)
@pytest.mark.rfc("3024", "4.3.1", 1, 2)
@pytest.mark.parametrize(
    ("agent", "payload", "reason", "code"),
    [
        (home_agent(), request(association=WRONG_ASSOCIATION), Reason.MN_FAILED_AUTHENTICATION, 131),
        (home_agent(), request(-8), Reason.IDENTIFICATION_MISMATCH, 133),
        (home_agent(), request(8), Reason.IDENTIFICATION_MISMATCH, 133),
        (home_agent(), request(home_agent=IPv4Address("192.0.2.255")), Reason.UNKNOWN_HOME_AGENT, 136),
        (home_agent(), request(home_agent=IPv4Address("192.0.2.2")), Reason.UNKNOWN_HOME_AGENT, 136),
        (home_agent(), request(home_address=STRANGER), Reason.HA_PROHIBITED, 129),
        (home_agent(), request(care_of=HOME), Reason.HA_POORLY_FORMED, 134),
        (home_agent(), request(care_of=IPv4Address("0.0.0.0")), Reason.HA_POORLY_FORMED, 134),
        (home_agent(), request(care_of=IPv4Address("224.0.0.11")), Reason.HA_POORLY_FORMED, 134),
        (home_agent(), request(care_of=IPv4Address("127.0.0.1")), Reason.HA_POORLY_FORMED, 134),
        (home_agent(), request(care_of=IPv4Address("255.255.255.255")), Reason.HA_POORLY_FORMED, 134),
        (home_agent(), request(flags=RequestFlags(minimal=True)), Reason.HA_ENCAPSULATION_UNAVAILABLE, 139),
        (home_agent(), request(flags=RequestFlags(gre=True)), Reason.HA_ENCAPSULATION_UNAVAILABLE, 139),
        (home_agent(policy=UNAVAILABLE), request(), Reason.HA_REVERSE_TUNNEL_UNAVAILABLE, 137),
        (home_agent(policy=REQUIRED), request(flags=PLAIN), Reason.HA_REVERSE_TUNNEL_MANDATORY, 138),
        (home_agent(max_bindings=0), request(), Reason.HA_INSUFFICIENT_RESOURCES, 130),
    ],
)
def test_denied(agent: HomeAgent, payload: bytes, reason: Reason, code: int) -> None:
    denial(agent, payload, reason, code)


@pytest.mark.rfc("5944", "3.6.1.2", 16, 17)
@pytest.mark.rfc("5944", "3.8.2.1", 28, 29, 30)
@pytest.mark.rfc("5944", "3.8.3.2", 9, 10)
@pytest.mark.parametrize("destination", ["192.0.2.255", "255.255.255.255"])
def test_request_to_all_home_agents_is_denied_with_our_address(destination: str) -> None:
    """Even if the home agent field is right: each agent that hears it has to deny it."""
    agent = home_agent()
    event = datagram(request(), destination=IPv4Address(destination))
    actions = ask(agent, event)
    assert reasons(actions) == [Reason.UNKNOWN_HOME_AGENT]
    assert sent_reply(actions).home_agent == HOME_AGENT
    assert only(actions, SendDatagram).source == Endpoint(HOME_AGENT, 434)
    assert len(agent.bindings) == 0


@pytest.mark.rfc("5944", "3.8.2.1", 16)
@pytest.mark.rfc("5944", "5.7", 3)
def test_denial_133_tells_our_time_and_keeps_the_low_half() -> None:
    agent = home_agent()
    wrong = request(identification=Identification(stamp(-3600).high, 0xDEADBEEF))
    answer = sent_reply(ask(agent, wrong, 5.25))
    assert answer.identification == Identification(stamp(5.25).high, 0xDEADBEEF)


@pytest.mark.rfc("5944", "5.7.1", 6)
def test_timestamp_within_the_tolerance_is_accepted() -> None:
    for skew in (-6.9, 6.9):
        assert sent_reply(ask(home_agent(), request(skew))).code == 1


@pytest.mark.rfc("5944", "3.8.2.1", 2, 12)
def test_authentication_is_judged_before_anything_else() -> None:
    """Nothing of a forged request is looked at: not its time, its home agent, nor its flags."""
    forged = request(-3600, home_agent=CARE_OF, flags=RequestFlags(gre=True), association=WRONG_ASSOCIATION)
    denial(home_agent(), forged, Reason.MN_FAILED_AUTHENTICATION, 131)


def test_denied_request_does_not_use_up_its_timestamp() -> None:
    agent = home_agent()
    denial(agent, request(1, care_of=HOME), Reason.HA_POORLY_FORMED, 134, 1)
    assert sent_reply(ask(agent, request(0.5), 1.1)).code == 1


def test_full_list_still_renews_those_in_it() -> None:
    agent = home_agent(max_bindings=1)
    ask(agent, request(0))
    assert sent_reply(ask(agent, request(1, care_of=OTHER_CARE_OF), 1)).code == 1
    other = request(1, home_address=NEIGHBOUR)
    denial(agent, other, Reason.HA_INSUFFICIENT_RESOURCES, 130, 1)


# ---- acceptance


@pytest.mark.rfc("5944", "3.2", 2)
@pytest.mark.rfc("5944", "3.4", 6)
@pytest.mark.rfc("5944", "3.5.2", 1)
@pytest.mark.rfc("5944", "3.8.1", 3)
@pytest.mark.rfc("5944", "3.8.2", 1, 2)
@pytest.mark.rfc("5944", "3.8.2.2", 1, 2, 10)
@pytest.mark.rfc("5944", "3.8.3", 1, 2)
@pytest.mark.rfc("5944", "3.8.3.2", 1)
@pytest.mark.rfc("5944", "3.8.3.3", 2)
@pytest.mark.rfc("5944", "4.2.3", 4)
@pytest.mark.rfc("5944", "4.6", 6, 20)
@pytest.mark.rfc("3024", "3.2", 1)
@pytest.mark.rfc("3024", "4.3.1", 3)
@pytest.mark.rfc("3024", "4.3.2", 1)
def test_first_registration_installs_everything_and_replies_last() -> None:
    agent = home_agent()
    actions = ask(agent, request())
    assert kinds(actions) == ACCEPT
    assert reasons(actions) == [Reason.REGISTERED_NO_SIMULTANEOUS]
    tunnel = only(actions, InstallTunnel)
    assert tunnel == InstallTunnel(HOME, TunnelSide.HOME, HOME_AGENT, CARE_OF, reverse=True)
    assert only(actions, ClaimAddress) == ClaimAddress(HOME, "home0")
    assert only(actions, InstallBindingRoute).home_address == HOME
    answer = sent_reply(actions)
    assert (answer.code, answer.lifetime, answer.identification) == (1, 100, stamp(0))
    assert is_signed(answer)
    binding = agent.bindings.get(HOME)
    assert binding is not None
    assert (binding.care_of_address, binding.reverse_tunnel, binding.co_located) == (CARE_OF, True, False)
    assert agent.next_deadline() == mono(100)


@pytest.mark.rfc("5944", "3.5.1", 2)
@pytest.mark.rfc("5944", "3.8.2.1", 11)
@pytest.mark.rfc("5944", "5.1", 4)
def test_each_association_answers_with_its_own_algorithm() -> None:
    answer = sent_reply(ask(home_agent(), request(association=KEYED)))
    extension = answer.first(MobileHomeAuthentication)
    assert extension is not None and extension.spi == KEYED.spi
    assert is_signed(answer, KEYED)


@pytest.mark.rfc("3024", "4.3.1", 3)
def test_without_reverse_tunnel_the_tunnel_is_one_way() -> None:
    actions = ask(home_agent(), request(flags=RequestFlags(decapsulation_by_mn=True)))
    assert only(actions, InstallTunnel).reverse is False


def test_virtual_network_has_one_route_and_no_arp() -> None:
    agent = home_agent(virtual=True)
    assert agent.start() == [InstallNetworkRoute(HOME_NETWORK)]
    assert kinds(ask(agent, request())) == ["InstallTunnel", "SendDatagram"]
    assert kinds(ask(agent, request(1, lifetime=0), 1)) == ["RemoveTunnel", "SendDatagram"]
    assert home_agent().start() == []


@pytest.mark.rfc("5944", "3.8.1", 3)
@pytest.mark.rfc("5944", "3.8.2", 1)
@pytest.mark.rfc("5944", "3.8.2.2", 1, 4, 11)
@pytest.mark.rfc("5944", "3.8.3", 1)
def test_move_replaces_the_tunnel_and_claims_the_address_again() -> None:
    agent = home_agent()
    ask(agent, request(0))
    actions = ask(agent, request(1, care_of=OTHER_CARE_OF), 1)
    assert kinds(actions) == MOVE
    assert only(actions, InstallTunnel).remote == OTHER_CARE_OF
    assert len(agent.bindings) == 1
    assert agent.next_deadline() == mono(101)


@pytest.mark.rfc("5944", "3.4", 2)
@pytest.mark.rfc("5944", "3.8.2.2", 6)
@pytest.mark.rfc("5944", "3.8.3.2", 2, 3, 4)
@pytest.mark.parametrize(
    ("asked", "maximum", "granted"),
    [(100, 1000, 100), (2000, 1000, 1000), (0xFFFF, 1000, 1000), (0xFFFF, 0xFFFF, 0xFFFF), (1, 1, 1)],
)
def test_lifetime_is_what_was_asked_or_less(asked: int, maximum: int, granted: int) -> None:
    agent = home_agent(max_lifetime=maximum)
    assert sent_reply(ask(agent, request(lifetime=asked))).lifetime == granted
    assert agent.next_deadline() == (None if granted == 0xFFFF else mono(granted))


def test_infinite_binding_never_expires_and_can_become_finite() -> None:
    agent = home_agent(max_lifetime=0xFFFF)
    ask(agent, request(lifetime=0xFFFF))
    assert agent.on_tick(at(10**6)) == []
    ask(agent, request(1, lifetime=5), 1)
    assert agent.next_deadline() == mono(6)
    ask(agent, request(2, lifetime=0xFFFF), 2)
    assert agent.next_deadline() is None
    assert agent.on_tick(at(10**6)) == []
