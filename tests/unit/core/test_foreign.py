"""The foreign agent: each refusal, the relay both ways, visitors and their end (RFC 5944 s3.7, RFC 3024 s4.2)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mobileip.control.core.actions import (
    Action,
    DeliveryStyle,
    InstallTunnel,
    InstallVisitorRoute,
    RemoveVisitorRoute,
    SendDatagram,
    TunnelSide,
)
from mobileip.control.core.events import DatagramReceived
from mobileip.control.core.foreign import ForeignAgent, ForeignAgentSettings, VisitedLink
from mobileip.control.core.policy import ReverseTunnelPolicy
from mobileip.control.reasons import Reason
from mobileip.control.types import Endpoint, Identification, Lifetime, Spi
from mobileip.control.wire import (
    EncapsulatingDelivery,
    ForeignHomeAuthentication,
    MobileAaaAuthentication,
    MobileForeignChallenge,
    RegistrationReply,
    RegistrationRequest,
    RequestFlags,
    UnknownExtension,
    parse,
)
from tests.unit.core.factory import (
    AGENT,
    CARE_OF,
    HOME,
    HOME_AGENT,
    NODE_MAC,
    OTHER_CARE_OF,
    OTHER_MAC,
    at,
    datagram,
    kinds,
    mono,
    note,
    only,
    reasons,
    reply,
    request,
    sent_reply,
    stamp,
)

SECOND_LINK = IPv4Address("203.0.113.129")
SETTINGS = ForeignAgentSettings(
    care_of_address=CARE_OF,
    links=(VisitedLink("eth1", AGENT), VisitedLink("eth2", SECOND_LINK)),
    max_lifetime=Lifetime(300),
    own_addresses=frozenset({CARE_OF, AGENT, SECOND_LINK}),
    max_visitors=2,
    max_pending=3,
)
NEIGHBOUR = IPv4Address("192.0.2.11")
T = RequestFlags(reverse_tunnel=True)
PLAIN = RequestFlags()
REQUIRED, UNAVAILABLE = ReverseTunnelPolicy.REQUIRED, ReverseTunnelPolicy.UNAVAILABLE
ADMIT = ["InstallTunnel", "InstallVisitorRoute", "SendDatagram"]


def visit(
    payload: bytes,
    *,
    mac: bytes | None = NODE_MAC,
    ttl: int = 255,
    interface: str = "eth1",
    source: IPv4Address = HOME,
    port: int = 5434,
    destination: IPv4Address = AGENT,
) -> DatagramReceived:
    return datagram(
        payload, source=source, port=port, destination=destination, interface=interface, ttl=ttl, mac=mac
    )


def ask(agent: ForeignAgent, event: DatagramReceived | bytes, time: float = 0.0) -> list[Action]:
    if isinstance(event, bytes):
        event = visit(event)
    message = parse(event.payload)
    assert isinstance(message, RegistrationRequest)
    return agent.on_request(message, event, at(time))


def hear(
    agent: ForeignAgent, payload: bytes, time: float = 0.1, source: IPv4Address = HOME_AGENT
) -> list[Action]:
    message = parse(payload)
    assert isinstance(message, RegistrationReply)
    return agent.on_reply(message, datagram(payload, source=source, destination=CARE_OF), at(time))


def admitted(time: float = 0.0, lifetime: int = 100) -> ForeignAgent:
    agent = ForeignAgent(SETTINGS)
    asked = request(time, lifetime=lifetime)
    ask(agent, asked, time)
    hear(agent, reply(to=asked, lifetime=lifetime), time)
    return agent


# ---- denials


@pytest.mark.rfc("5944", "3.7.1", 5)
@pytest.mark.rfc("5944", "3.7.2", 2, 3)
@pytest.mark.rfc("5944", "3.7.2.1", 3)
@pytest.mark.rfc("5944", "3.7.2.3", 1, 4)
@pytest.mark.rfc("3024", "3.4", 1, 3, 4)
@pytest.mark.rfc("3024", "4.2.1", 1, 2, 3, 4, 6)
@pytest.mark.parametrize(
    ("change", "event", "reason", "code"),
    [
        ({}, visit(request(lifetime=301)), Reason.FA_LIFETIME_TOO_LONG, 69),
        ({}, visit(request(lifetime=0xFFFF)), Reason.FA_LIFETIME_TOO_LONG, 69),
        ({}, visit(request(home_address=CARE_OF)), Reason.FA_POORLY_FORMED, 70),
        ({}, visit(request(home_address=IPv4Address("224.0.0.11"))), Reason.FA_POORLY_FORMED, 70),
        ({}, visit(request(home_address=IPv4Address("127.0.0.1"))), Reason.FA_POORLY_FORMED, 70),
        ({}, visit(request(flags=RequestFlags(minimal=True))), Reason.FA_ENCAPSULATION_UNAVAILABLE, 72),
        ({}, visit(request(flags=RequestFlags(gre=True))), Reason.FA_ENCAPSULATION_UNAVAILABLE, 72),
        ({"reverse_tunnel": UNAVAILABLE}, visit(request()), Reason.FA_REVERSE_TUNNEL_UNAVAILABLE, 74),
        ({"reverse_tunnel": REQUIRED}, visit(request(flags=PLAIN)), Reason.FA_REVERSE_TUNNEL_MANDATORY, 75),
        ({}, visit(request(), ttl=254), Reason.FA_MN_TOO_DISTANT, 76),
        ({"reverse_tunnel": UNAVAILABLE}, visit(request(), ttl=64), Reason.FA_MN_TOO_DISTANT, 76),
        ({}, visit(request(care_of=OTHER_CARE_OF)), Reason.FA_INVALID_CARE_OF, 77),
        ({}, visit(request(before=(EncapsulatingDelivery(),))), Reason.FA_DELIVERY_STYLE, 79),
        ({}, visit(request(after=(EncapsulatingDelivery(),))), Reason.FA_DELIVERY_STYLE, 79),
        ({}, visit(request(home_agent=AGENT)), Reason.FA_INVALID_HOME_AGENT, 116),
        ({}, visit(request(home_agent=IPv4Address("0.0.0.0"))), Reason.FA_INVALID_HOME_AGENT, 116),
        ({}, visit(request(home_agent=IPv4Address("255.255.255.255"))), Reason.FA_INVALID_HOME_AGENT, 116),
        ({}, visit(request(home_agent=IPv4Address("127.0.0.1"))), Reason.FA_INVALID_HOME_AGENT, 116),
        ({"max_pending": 0}, visit(request()), Reason.FA_BUSY, 66),
        ({"max_visitors": 0}, visit(request()), Reason.FA_BUSY, 66),
    ],
)
def test_denied(change: dict[str, object], event: DatagramReceived, reason: Reason, code: int) -> None:
    agent = ForeignAgent(replace(SETTINGS, **change))  # type: ignore[arg-type]
    actions = ask(agent, event)
    assert reasons(actions) == [reason]
    assert kinds(actions) == ["SendDatagram"]
    asked = parse(event.payload)
    assert isinstance(asked, RegistrationRequest)
    answer = sent_reply(actions)
    assert answer.code == code == reason.info.code
    assert answer.identification == asked.identification
    assert (answer.home_address, answer.home_agent) == (asked.home_address, asked.home_agent)
    assert answer.lifetime == (300 if code == 69 else asked.lifetime)
    assert agent.visitors.pending_count() == 0 and agent.next_deadline() is None


def test_ttl_matters_only_for_a_reverse_tunnel() -> None:
    assert reasons(ask(ForeignAgent(SETTINGS), visit(request(flags=PLAIN), ttl=3))) == [
        Reason.REQUEST_RELAYED
    ]


@pytest.mark.rfc("5944", "3.7", 6)
def test_mandatory_reverse_tunnel_does_not_hinder_a_deregistration() -> None:
    agent = ForeignAgent(replace(SETTINGS, reverse_tunnel=REQUIRED))
    assert reasons(ask(agent, request(lifetime=0, flags=PLAIN))) == [Reason.REQUEST_RELAYED]


@pytest.mark.rfc("5944", "3.7", 6)
def test_deregistration_may_name_a_care_of_address_of_another_agent() -> None:
    actions = ask(ForeignAgent(SETTINGS), request(lifetime=0, care_of=OTHER_CARE_OF))
    assert reasons(actions) == [Reason.REQUEST_RELAYED]


def test_home_agent_in_the_same_process_is_not_an_error() -> None:
    agent = ForeignAgent(
        replace(SETTINGS, own_addresses=frozenset({CARE_OF, HOME_AGENT}), home_agent=HOME_AGENT)
    )
    assert reasons(ask(agent, request())) == [Reason.REQUEST_RELAYED]


def test_unauthenticated_request_is_not_relayed() -> None:
    actions = ask(ForeignAgent(SETTINGS), request(association=None))
    assert reasons(actions) == [Reason.NO_AUTHORIZATION_EXTENSION] and kinds(actions) == []


@pytest.mark.parametrize("event", [visit(request(), mac=None), visit(request(), interface="core")])
def test_request_from_elsewhere_is_not_a_visitors(event: DatagramReceived) -> None:
    actions = ask(ForeignAgent(SETTINGS), event)
    assert reasons(actions) == [Reason.BAD_DESTINATION] and kinds(actions) == []


@pytest.mark.rfc("5944", "3.7.2", 2)
@pytest.mark.rfc("3024", "4.2.1", 5)
def test_one_denial_a_second_to_one_node() -> None:
    agent = ForeignAgent(SETTINGS)
    sent = {}
    for tenth in range(31):
        time = tenth / 10
        sent[time] = bool(kinds(ask(agent, visit(request(time, lifetime=400)), time)))
    assert [time for time, answered in sent.items() if answered] == [0.0, 1.0, 2.0, 3.0]
    assert kinds(ask(agent, visit(request(3.05, lifetime=400), mac=OTHER_MAC), 3.05)) == ["SendDatagram"]


# ---- relaying


@pytest.mark.rfc("5944", "3.4", 1)
@pytest.mark.rfc("5944", "3.7", 6)
@pytest.mark.rfc("5944", "3.7.2", 1)
@pytest.mark.rfc("5944", "3.7.2.2", 1, 2, 3, 5)
@pytest.mark.rfc("3024", "4.2.2", 1)
def test_request_is_relayed_byte_for_byte_up_to_its_authentication() -> None:
    inner = request(before=(UnknownExtension(200, b"kept"),))
    tail = UnknownExtension(201, b"for the foreign agent").encode()
    agent = ForeignAgent(SETTINGS)
    actions = ask(agent, inner + tail)
    out = only(actions, SendDatagram)
    assert out.payload == inner
    assert (out.source, out.destination) == (Endpoint(CARE_OF, 434), Endpoint(HOME_AGENT, 434))
    assert out.link_destination is None
    assert kinds(actions) == ["SendDatagram"]
    assert agent.visitors.visitor_count() == 0
    assert agent.next_deadline() == mono(7)


def test_a_proof_for_an_aaa_server_is_relayed_with_the_challenge_it_answers() -> None:
    """RFC 4721 s3.2: they must not be removed; a challenge without such a proof is between node and agent."""
    proof, challenge = MobileAaaAuthentication(Spi(2), bytes(16)), MobileForeignChallenge(b"once only")
    tail = UnknownExtension(201, b"for the foreign agent").encode()
    inner = request(after=(challenge, proof))
    assert only(ask(ForeignAgent(SETTINGS), inner + tail), SendDatagram).payload == inner
    answered = only(ask(ForeignAgent(SETTINGS), request(after=(challenge,))), SendDatagram)
    assert answered.payload == request()


@pytest.mark.rfc("5944", "3.4", 1)
@pytest.mark.rfc("5944", "3.7.1", 2)
@pytest.mark.rfc("5944", "3.7.3.2", 1, 5, 7)
@pytest.mark.rfc("3024", "4.2.2", 2)
@pytest.mark.rfc("3024", "5.1.2", 1)
def test_reply_is_relayed_byte_for_byte_to_the_link_address_of_the_request() -> None:
    agent = ForeignAgent(SETTINGS)
    asked = request()
    ask(agent, asked)
    answer = reply(to=asked)
    tail = ForeignHomeAuthentication(Spi(300), bytes(16)).encode()
    actions = hear(agent, answer + tail)
    assert kinds(actions) == ADMIT
    out = only(actions, SendDatagram)
    assert out.payload == answer
    assert (out.source, out.destination) == (Endpoint(AGENT, 434), Endpoint(HOME, 5434))
    assert (out.interface, out.link_destination) == ("eth1", NODE_MAC)
    assert only(actions, InstallTunnel) == InstallTunnel(HOME, TunnelSide.CARE_OF, CARE_OF, HOME_AGENT, True)
    assert only(actions, InstallVisitorRoute) == InstallVisitorRoute(HOME, "eth1", NODE_MAC, True)
    assert agent.visitors.pending_count() == 0 and agent.visitors.visitor_count() == 1


@pytest.mark.rfc("3024", "4.2.2", 2)
def test_visitor_without_reverse_tunnel() -> None:
    agent = ForeignAgent(SETTINGS)
    asked = request(flags=PLAIN)
    ask(agent, asked)
    actions = hear(agent, reply(to=asked))
    assert not only(actions, InstallTunnel).reverse and not only(actions, InstallVisitorRoute).reverse


@pytest.mark.rfc("5944", "3.7.1", 2)
@pytest.mark.rfc("5944", "3.7.3.2", 2, 9)
@pytest.mark.parametrize(
    ("granted", "maximum", "expected"),
    [(100, 300, 100), (100, 60, 60), (0xFFFF, 60, 60), (0xFFFF, 0xFFFF, None)],
)
def test_visitor_lives_as_long_as_granted_and_no_longer_than_we_allow(
    granted: int, maximum: int, expected: int | None
) -> None:
    agent = ForeignAgent(replace(SETTINGS, max_lifetime=Lifetime(maximum)))
    asked = request(lifetime=maximum)
    ask(agent, asked)
    hear(agent, reply(to=asked, lifetime=granted), 2)
    assert agent.next_deadline() == (None if expected is None else mono(2 + expected))


@pytest.mark.rfc("5944", "3.7.3.2", 1)
def test_renewal_moves_the_expiry_and_admits_again() -> None:
    agent = admitted()
    asked = request(50)
    ask(agent, asked, 50)
    assert kinds(hear(agent, reply(to=asked), 50)) == ADMIT
    assert agent.next_deadline() == mono(150)
    assert agent.visitors.visitor_count() == 1


def test_visitor_for_ever_after_one_for_a_while_does_not_expire() -> None:
    agent = ForeignAgent(replace(SETTINGS, max_lifetime=Lifetime(0xFFFF)))
    for time, lifetime, deadline in ((0, 10, mono(10)), (1, 0xFFFF, None), (2, 10, mono(12))):
        asked = request(time, lifetime=lifetime)
        ask(agent, asked, time)
        hear(agent, reply(to=asked, lifetime=lifetime), time)
        assert agent.next_deadline() == deadline


def test_visitor_that_moves_to_our_other_link_leaves_nothing_on_the_first() -> None:
    agent = admitted()
    asked = request(5)
    ask(agent, visit(asked, interface="eth2", mac=OTHER_MAC, destination=SECOND_LINK), 5)
    actions = hear(agent, reply(to=asked), 5)
    assert kinds(actions) == ["RemoveVisitorRoute", "RemoveTunnel", *ADMIT]
    assert only(actions, RemoveVisitorRoute).interface == "eth1"
    assert only(actions, InstallVisitorRoute) == InstallVisitorRoute(HOME, "eth2", OTHER_MAC, True)


def co_located_request(time: float = 0.0) -> bytes:
    return request(time, care_of=OTHER_CARE_OF, flags=RequestFlags(decapsulation_by_mn=True))


def test_co_located_visitor_is_remembered_but_decapsulates_itself() -> None:
    agent = ForeignAgent(SETTINGS)
    asked = co_located_request()
    ask(agent, visit(asked, source=OTHER_CARE_OF))
    actions = hear(agent, reply(to=asked))
    assert kinds(actions) == ["SendDatagram"]
    # s3.7.2.3: to the home address whatever the source was; the frame finds the node.
    assert only(actions, SendDatagram).destination == Endpoint(HOME, 5434)
    assert only(actions, SendDatagram).link_destination == NODE_MAC
    (visitor,) = agent.visitors.visitors
    assert visitor.co_located
    assert kinds(agent.on_tick(at(500))) == []


def test_co_located_visitor_leaves_nothing_to_undo() -> None:
    agent = ForeignAgent(SETTINGS)
    for time, lifetime in ((0, 100), (5, 0)):
        asked = request(
            time, care_of=OTHER_CARE_OF, lifetime=lifetime, flags=RequestFlags(decapsulation_by_mn=True)
        )
        out = only(ask(agent, visit(asked, source=OTHER_CARE_OF), time), SendDatagram)
        assert (out.source, out.payload) == (Endpoint(CARE_OF, 434), asked)
        assert kinds(hear(agent, reply(0, to=asked, lifetime=lifetime), time)) == ["SendDatagram"]
        assert agent.visitors.visitor_count() == (lifetime > 0)
    assert agent.next_deadline() is None


def test_visitor_that_becomes_co_located_needs_our_tunnel_no_more() -> None:
    agent = admitted()
    asked = co_located_request(5)
    ask(agent, visit(asked, source=OTHER_CARE_OF), 5)
    assert kinds(hear(agent, reply(to=asked), 5)) == ["RemoveVisitorRoute", "RemoveTunnel", "SendDatagram"]


@pytest.mark.rfc("5944", "3.7.2.3", 6)
@pytest.mark.parametrize("asked_at", ["224.0.0.11", "255.255.255.255"])
def test_reply_to_a_group_comes_from_our_address_on_the_link(asked_at: str) -> None:
    agent = ForeignAgent(SETTINGS)
    asked = request()
    ask(agent, visit(asked, destination=IPv4Address(asked_at)))
    assert only(hear(agent, reply(to=asked)), SendDatagram).source == Endpoint(AGENT, 434)


@pytest.mark.rfc("5944", "3.7.2.3", 5)
def test_denial_for_a_node_without_home_address_is_broadcast_to_its_link_address() -> None:
    actions = ask(ForeignAgent(SETTINGS), request(home_address=IPv4Address("0.0.0.0"), lifetime=400))
    out = only(actions, SendDatagram)
    assert str(out.destination.address) == "255.255.255.255" and out.link_destination == NODE_MAC


# ---- matching


@pytest.mark.rfc("5944", "3.7.1", 2)
@pytest.mark.rfc("5944", "3.7.3.1", 2, 4, 5)
def test_reply_must_match_a_pending_request() -> None:
    agent = ForeignAgent(SETTINGS)
    asked = request()
    ask(agent, asked)
    wrong_id = reply(to=asked, identification=Identification(stamp(0).high, 12345))
    wrong_home = reply(to=request(home_address=NEIGHBOUR))
    for payload, source in (
        (wrong_id, HOME_AGENT),
        (wrong_home, HOME_AGENT),
        (reply(to=asked), OTHER_CARE_OF),
    ):
        actions = hear(agent, payload, source=source)
        assert reasons(actions) == [Reason.UNMATCHED_REPLY] and kinds(actions) == []
    assert agent.visitors.pending_count() == 1 and agent.visitors.visitor_count() == 0
    assert kinds(hear(agent, reply(to=asked))) == ADMIT
    assert reasons(hear(agent, reply(to=asked))) == [Reason.UNMATCHED_REPLY]  # the second copy


def test_denial_133_matches_by_the_low_half() -> None:
    agent = ForeignAgent(SETTINGS)
    asked = request()
    ask(agent, asked)
    theirs = Identification(stamp(3600).high, stamp(0).low)
    actions = hear(agent, reply(133, to=asked, identification=theirs))
    assert kinds(actions) == ["SendDatagram"]
    assert agent.visitors.pending_count() == 0


def test_reply_without_authentication_is_denied_71() -> None:
    agent = ForeignAgent(SETTINGS)
    asked = request()
    ask(agent, asked)
    actions = hear(agent, reply(to=asked, association=None))
    assert reasons(actions) == [Reason.FA_POORLY_FORMED_REPLY]
    assert sent_reply(actions).code == 71
    assert agent.visitors.visitor_count() == 0


@pytest.mark.rfc("5944", "3.7.2", 4, 5, 6, 7)
@pytest.mark.rfc("5944", "3.7.3.2", 4, 9)
@pytest.mark.parametrize("lifetime", [100, 0])
def test_denied_renewal_or_deregistration_leaves_the_visitor_alone(lifetime: int) -> None:
    agent = admitted()
    before = agent.visitors.visitors
    asked = request(5, lifetime=lifetime)
    ask(agent, asked, 5)
    assert agent.visitors.visitors == before
    actions = hear(agent, reply(131, to=asked), 5)
    assert kinds(actions) == ["SendDatagram"]
    assert note(actions, Reason.REPLY_RELAYED).fields["code"] == 131
    assert agent.visitors.visitors == before
    assert agent.visitors.pending_count() == 0
    assert agent.next_deadline() == mono(100)


def test_unknown_code_is_no_acceptance() -> None:
    agent = ForeignAgent(SETTINGS)
    asked = request()
    ask(agent, asked)
    assert kinds(hear(agent, reply(9, to=asked))) == ["SendDatagram"]
    assert agent.visitors.visitor_count() == 0


@pytest.mark.rfc("5944", "3.7.3.2", 3)
def test_accepted_deregistration_removes_the_visitor_and_tells_it() -> None:
    agent = admitted()
    asked = request(5, lifetime=0)
    ask(agent, asked, 5)
    actions = hear(agent, reply(0, to=asked, lifetime=0), 5)
    assert kinds(actions) == ["RemoveVisitorRoute", "RemoveTunnel", "SendDatagram"]
    assert agent.visitors.visitor_count() == 0 and agent.next_deadline() is None


# ---- several care-of addresses, delivery styles


@pytest.mark.rfc("5944", "3.7.2.1", 3)
@pytest.mark.rfc("5944", "3.7.2.2", 5)
@pytest.mark.rfc("3024", "5.1.2", 1)
def test_the_tunnel_ends_at_the_care_of_address_that_was_asked_for() -> None:
    agent = ForeignAgent(replace(SETTINGS, more_care_of_addresses=(OTHER_CARE_OF,)))
    for time, care_of in ((0, OTHER_CARE_OF), (1, CARE_OF)):
        asked = request(time, care_of=care_of)
        assert only(ask(agent, asked, time), SendDatagram).source == Endpoint(care_of, 434)
        assert only(hear(agent, reply(to=asked), time), InstallTunnel).local == care_of
    third = ask(agent, request(2, care_of=IPv4Address("198.51.100.13")), 2)
    assert reasons(third) == [Reason.FA_INVALID_CARE_OF]


@pytest.mark.rfc("3024", "4.2.2", 2)
@pytest.mark.parametrize("style", list(DeliveryStyle))
def test_the_delivery_style_asked_for_is_remembered_and_told_to_both_planes(style: DeliveryStyle) -> None:
    agent = ForeignAgent(replace(SETTINGS, encapsulating_delivery=True))
    asked = request()
    extension = EncapsulatingDelivery().encode() if style is DeliveryStyle.ENCAPSULATING else b""
    assert only(ask(agent, asked + extension), SendDatagram).payload == asked  # it is for us alone
    actions = hear(agent, reply(to=asked))
    assert only(actions, InstallTunnel).delivery is style
    assert only(actions, InstallVisitorRoute).delivery is style
    assert [visitor.delivery for visitor in agent.visitors.visitors] == [style]
