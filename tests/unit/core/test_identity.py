"""What replies teach a mobile node: its home address, its home agent, clock or nonces; and the keys it shares with
foreign agents (RFC 2794, RFC 5944 s3.5.3, s3.6, s5.7)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface

import pytest

from mobileip.control.core.actions import (
    Action,
    AdoptHomeAddress,
    InstallTunnel,
    RemoveTunnel,
    RouteThroughAgent,
    SendDatagram,
)
from mobileip.control.core.attachment import CoLocated, ThroughAgent
from mobileip.control.core.events import ActionFailed, Stopping, Tick
from mobileip.control.core.identity import Identity
from mobileip.control.core.mobile import MobileNode, MobileNodeSettings, State
from mobileip.control.core.repairs import Wishes
from mobileip.control.core.request import compose
from mobileip.control.reasons import Reason
from mobileip.control.security import MobilitySecurityAssociation, ReplayMethod, Secret, sign, verify
from mobileip.control.types import (
    ZERO_ADDRESS,
    EncapsulationType,
    Endpoint,
    Identification,
    Instant,
    Lifetime,
    Spi,
    seconds,
)
from mobileip.control.wire import (
    EncapsulatingDelivery,
    MobileForeignAuthentication,
    MobileHomeAuthentication,
    NetworkAccessIdentifier,
    RegistrationReply,
    RegistrationRequest,
    build,
    parse,
)
from tests.unit.core.factory import (
    AGENT,
    AGENT_MAC,
    ASSOCIATION,
    CARE_OF,
    HOME,
    HOME_AGENT,
    HOME_INTERFACE,
    advertisement,
    at,
    datagram,
    home_advertisement,
    is_signed,
    kinds,
    mono,
    none,
    note,
    only,
    reasons,
    reply,
    sent_request,
    stamp,
)
from tests.unit.core.mobile import ADDRESS, answer, asked, down, up, visiting
from tests.unit.core.test_mobile import SETTINGS, node, request_times

NAMED = replace(SETTINGS, home_address=None, nai="user@example.org")
UNKNOWN_HOME_AGENT = replace(SETTINGS, home_agent=None)
NONCES = replace(SETTINGS, association=replace(ASSOCIATION, replay=ReplayMethod.NONCES))
SHARED = MobilitySecurityAssociation(Spi(300), Secret(b"between node and agent"))
WITH_FOREIGN_KEY = replace(SETTINGS, foreign_agents={AGENT: SHARED})
BROADCAST = HOME_INTERFACE.network.broadcast_address
GIVEN = IPv4Address("192.0.2.200")


def assigning(payload: bytes, address: IPv4Address = GIVEN, code: int = 0) -> bytes:
    """The home agent's reply with a home address of its choice."""
    request = parse(payload)
    assert isinstance(request, RegistrationRequest)
    message = RegistrationReply(code, request.lifetime, address, HOME_AGENT, request.identification)
    return sign(ASSOCIATION, build(message), MobileHomeAuthentication)


# ---- a node with a name only (RFC 2794)


@pytest.mark.rfc("2794", "2", 1)
@pytest.mark.rfc("5944", "3.6.1.1", 2)
@pytest.mark.rfc("5944", "3.6.1.2", 13)
def test_request_without_a_home_address() -> None:
    machine = node(NAMED)
    up(machine, 0)
    actions = machine.handle(advertisement(lifetime=9000), at(0))
    assert kinds(actions) == ["SendDatagram"]  # no route for an address we do not have
    request = sent_request(actions)
    assert request.home_address == ZERO_ADDRESS
    assert only(actions, SendDatagram).source == Endpoint(ZERO_ADDRESS, 434)
    names = [type(extension) for extension in request.extensions]
    assert names == [NetworkAccessIdentifier, MobileHomeAuthentication]
    assert request.first(NetworkAccessIdentifier) == NetworkAccessIdentifier("user@example.org")
    assert is_signed(request)


@pytest.mark.rfc("5944", "3.6", 2)
def test_home_address_of_the_reply_is_adopted() -> None:
    machine, payload = visiting(NAMED)
    actions = machine.handle(datagram(assigning(payload)), at(0.1))
    assert kinds(actions) == ["AdoptHomeAddress", "RouteThroughAgent"]
    assert only(actions, AdoptHomeAddress).home_address == IPv4Interface(GIVEN)
    assert only(actions, RouteThroughAgent).home_address == GIVEN
    assert machine.home_address == GIVEN and machine.state is State.REGISTERED
    assert note(actions, Reason.HOME_ADDRESS_ASSIGNED).fields == {"home_address": GIVEN}
    (renewal, *_) = request_times(machine, 71)
    assert renewal > 50
    down(machine, 80)
    up(machine, 81)
    again = machine.handle(advertisement(), at(81))
    assert sent_request(again).home_address == GIVEN
    assert sent_request(again).first(NetworkAccessIdentifier) is not None
    assert only(again, SendDatagram).source == Endpoint(GIVEN, 434)


def test_co_located_node_with_a_name_makes_its_tunnel_when_it_has_an_address() -> None:
    machine = node(NAMED)
    up(machine, 0)
    actions = up(machine, 0.1, ADDRESS)
    assert kinds(actions) == ["SendDatagram"]
    assert only(actions, SendDatagram).source == Endpoint(ADDRESS.ip, 434)
    actions = machine.handle(datagram(assigning(asked(actions))), at(0.2))
    assert kinds(actions) == ["AdoptHomeAddress", "InstallTunnel", "RouteThroughTunnel"]
    assert only(actions, InstallTunnel).home_address == GIVEN


def test_home_address_that_could_not_be_set_is_set_again() -> None:
    machine, payload = visiting(NAMED)
    actions = machine.handle(datagram(assigning(payload)), at(0.1))
    machine.handle(ActionFailed(only(actions, AdoptHomeAddress), "refused"), at(0.1))
    actions = machine.handle(Tick(), at(1.1))
    assert kinds(actions)[0] == "AdoptHomeAddress" and "RouteThroughAgent" in kinds(actions)


def test_acceptance_without_a_home_address_is_none() -> None:
    machine, payload = visiting(NAMED)
    actions = machine.handle(datagram(assigning(payload, ZERO_ADDRESS)), at(0.1))
    assert reasons(actions) == [Reason.BAD_VALUE] and kinds(actions) == []
    assert machine.state is State.REGISTERING and machine.pending is not None


def test_node_without_an_address_has_no_home_to_return_to_and_nothing_to_give_up() -> None:
    machine = node(NAMED)
    up(machine, 0)
    assert kinds(machine.handle(home_advertisement(), at(0))) == []
    assert machine.state is State.DISCONNECTED
    assert kinds(machine.handle(Stopping(), at(1))) == [] and machine.state is State.STOPPED


def test_home_address_that_the_home_agent_gave_away_is_replaced() -> None:
    machine = node(NAMED)
    up(machine, 0)
    actions = up(machine, 0.1, ADDRESS)
    machine.handle(datagram(assigning(asked(actions))), at(0.2))
    times = request_times(machine, 110)  # nobody answers, the binding ends
    assert times and machine.registration is None
    assert machine.pending is not None
    actions = answer(machine, machine.pending.datagram.payload, 111, 129)
    assert sent_request(actions).home_address == ZERO_ADDRESS
    assert note(actions, Reason.RETRYING).fields["how"] == "for another home address"
    other = IPv4Address("192.0.2.201")
    actions = machine.handle(datagram(assigning(asked(actions), other)), at(111.1))
    assert kinds(actions) == ["RemoveTunnel", "AdoptHomeAddress", "InstallTunnel", "RouteThroughTunnel"]
    assert only(actions, RemoveTunnel).home_address == GIVEN
    assert only(actions, InstallTunnel).home_address == other and machine.home_address == other


@pytest.mark.parametrize("settings", [SETTINGS, NAMED])
def test_home_address_is_kept_while_it_may_be_ours(settings: MobileNodeSettings) -> None:
    """Configured, or bound still."""
    machine, payload = visiting(settings)
    home = HOME if settings is SETTINGS else GIVEN
    machine.handle(datagram(assigning(payload, home)), at(0.1))
    request_times(machine, 71)
    assert machine.pending is not None
    assert kinds(answer(machine, machine.pending.datagram.payload, 72, 129)) == []
    assert machine.home_address == home


# ---- which home agent (s3.6.1.2)


@pytest.mark.rfc("5944", "3.6.1.1", 9)
@pytest.mark.rfc("5944", "3.6.1.2", 15)
def test_home_agent_is_sought_through_an_agent_by_the_broadcast_address_in_the_message_only() -> None:
    machine, payload = visiting(UNKNOWN_HOME_AGENT)
    request = parse(payload)
    assert isinstance(request, RegistrationRequest) and request.home_agent == BROADCAST
    up(machine, 1)
    machine = node(UNKNOWN_HOME_AGENT)
    up(machine, 0)
    out = only(machine.handle(advertisement(), at(0)), SendDatagram)
    assert out.destination == Endpoint(AGENT, 434)


@pytest.mark.rfc("5944", "3.6.1.2", 15)
@pytest.mark.rfc("5944", "3.6.2.3", 4)
def test_home_agent_is_sought_directly_and_the_answer_is_used() -> None:
    machine = node(UNKNOWN_HOME_AGENT)
    up(machine, 0)
    actions = up(machine, 0.1, ADDRESS)
    assert only(actions, SendDatagram).destination == Endpoint(BROADCAST, 434)
    assert none(actions, InstallTunnel)  # to whom?
    payload = asked(actions)
    told = Identification(stamp(3600).high, parse(payload).identification.low)
    denial = reply(136, to=payload, home_agent=HOME_AGENT, identification=told)
    actions = machine.handle(datagram(denial), at(0.2))
    request = sent_request(actions)
    assert request.home_agent == HOME_AGENT
    assert only(actions, SendDatagram).destination == Endpoint(HOME_AGENT, 434)
    assert only(actions, InstallTunnel).remote == HOME_AGENT
    assert abs(request.identification.to_wall() - at(3600).wall) < 2 * 10**9
    assert note(actions, Reason.HOME_AGENT_DISCOVERED).fields == {"home_agent": HOME_AGENT}
    answer(machine, asked(actions), 0.3)
    assert machine.state is State.REGISTERED and machine.home_agent == HOME_AGENT


def test_discovered_home_agent_that_falls_silent_is_sought_anew() -> None:
    machine, payload = visiting(UNKNOWN_HOME_AGENT)
    answer(machine, asked(answer(machine, payload, 0.1, 136)), 0.2, lifetime=10)
    assert machine.home_agent == HOME_AGENT
    request_times(machine, 40)
    assert machine.home_agent == BROADCAST
    assert machine.pending is not None
    request = parse(machine.pending.datagram.payload)
    assert isinstance(request, RegistrationRequest) and request.home_agent == BROADCAST


# ---- nonces (s5.7.2)


def nonce_reply(payload: bytes, nonce: int, code: int = 1) -> bytes:
    message = parse(payload)
    return reply(code, to=payload, identification=Identification(nonce, message.identification.low))


@pytest.mark.rfc("5944", "5.7.2", 1)
def test_nonce_of_each_reply_is_used_in_the_next_request() -> None:
    machine, payload = visiting(NONCES)
    first = parse(payload).identification
    actions = machine.handle(datagram(nonce_reply(payload, 0x1111, 133)), at(0.1))
    second = sent_request(actions).identification
    assert second.high == 0x1111 and second.low != first.low
    assert note(actions, Reason.CLOCK_RESYNCHRONISED).fields == {"method": "nonces"}
    machine.handle(datagram(nonce_reply(asked(actions), 0x2222)), at(0.2))
    request_times(machine, 71)
    assert machine.pending is not None and machine.pending.identification.high == 0x2222


@pytest.mark.rfc("5944", "3.6.3", 4)
def test_unanswered_request_with_a_nonce_is_sent_again_byte_for_byte() -> None:
    machine, payload = visiting(NONCES)
    for time in (1, 3, 7):
        actions = machine.handle(Tick(), at(time))
        assert asked(actions) == payload
        assert Reason.REQUEST_RETRANSMITTED in reasons(actions)
    answer(machine, payload, 7.5)
    assert machine.state is State.REGISTERED
    assert machine.registration is not None and machine.registration.expires == mono(100)


def test_refused_request_with_a_nonce_is_a_new_one() -> None:
    machine, payload = visiting(NONCES)
    machine.handle(datagram(nonce_reply(payload, 0x3333, 130)), at(0.1))
    again = sent_request(machine.handle(Tick(), at(1.1))).identification
    assert again.high == 0x3333 and again.low != parse(payload).identification.low


# ---- the clock (s5.7.1)


def jumped(time: float, by: float) -> Instant:
    return Instant(at(time).mono, at(time).wall + seconds(by))


def synchronised(offset: float) -> tuple[MobileNode, list[Action]]:
    """A node whose clock the home agent corrected once."""
    machine, payload = visiting()
    told = Identification(stamp(offset).high, parse(payload).identification.low)
    actions = machine.handle(datagram(reply(133, to=payload, identification=told)), at(0.1))
    assert abs(machine.clock_offset - seconds(offset)) < seconds(1)
    return machine, actions


@pytest.mark.parametrize("by", [30.0, -30.0])
def test_offset_is_dropped_when_the_clock_was_set(by: float) -> None:
    machine, _ = synchronised(by)
    actions = machine.handle(Tick(), jumped(1.1, by))
    assert abs(note(actions, Reason.CLOCK_JUMPED).fields["jump_s"] - by) < 0.1  # type: ignore[operator]
    assert machine.clock_offset == 0
    stamp_ = sent_request(actions).identification.to_wall()
    assert by < 0 or abs(stamp_ - jumped(1.1, by).wall) < seconds(1)
    assert Reason.CLOCK_JUMPED not in reasons(machine.handle(Tick(), jumped(3.1, by)))


def test_clock_that_is_slewed_keeps_the_offset() -> None:
    machine, _ = synchronised(30.0)
    assert Reason.CLOCK_JUMPED not in reasons(machine.handle(Tick(), jumped(1.1, 0.4)))
    assert machine.clock_offset != 0


def test_clock_that_is_set_without_an_offset_is_nobodys_business() -> None:
    machine, _ = visiting()
    assert Reason.CLOCK_JUMPED not in reasons(machine.handle(Tick(), jumped(1, 3600)))


# ---- keys shared with foreign agents (s3.5.3)


@pytest.mark.rfc("5944", "3.6.1.3", 1, 3)
def test_request_to_an_agent_we_share_a_key_with_ends_with_its_authentication() -> None:
    _, payload = visiting(replace(WITH_FOREIGN_KEY, nai="user@example.org"))
    request = parse(payload)
    names = [type(extension) for extension in request.extensions]
    assert names == [NetworkAccessIdentifier, MobileHomeAuthentication, MobileForeignAuthentication]
    foreign = request.first(MobileForeignAuthentication)
    assert foreign is not None and foreign.spi == 300 and verify(SHARED, request, foreign)
    assert isinstance(request, RegistrationRequest) and is_signed(request)
    _, payload = visiting(WITH_FOREIGN_KEY, source=IPv4Address("203.0.113.2"))
    assert parse(payload).first(MobileForeignAuthentication) is None


def foreign_reply(payload: bytes, fault: str, code: int) -> bytes:
    told = reply(code, to=payload, association=None if 64 <= code < 128 else ASSOCIATION)
    wrong = MobilitySecurityAssociation(Spi(300), Secret(b"another"))
    other_spi = MobilitySecurityAssociation(Spi(301), SHARED.key)
    match fault:
        case "none":
            return told
        case "wrong key":
            return sign(wrong, told, MobileForeignAuthentication)
        case "other SPI":
            return sign(other_spi, told, MobileForeignAuthentication)
        case "twice":
            once = sign(SHARED, told, MobileForeignAuthentication)
            return sign(SHARED, once, MobileForeignAuthentication)
        case _:
            return sign(SHARED, told, MobileForeignAuthentication)


@pytest.mark.rfc("5944", "3.6.2.1", 6, 7, 8, 9)
@pytest.mark.parametrize("code", [1, 65, 130])
@pytest.mark.parametrize("fault", ["none", "wrong key", "other SPI", "twice"])
def test_reply_through_that_agent_has_to_prove_it(code: int, fault: str) -> None:
    machine, payload = visiting(WITH_FOREIGN_KEY)
    actions = machine.handle(datagram(foreign_reply(payload, fault, code)), at(0.1))
    assert reasons(actions) == [Reason.REPLY_BAD_AUTHENTICATOR] and machine.pending is not None
    machine.handle(datagram(foreign_reply(payload, "", code)), at(0.2))
    assert machine.pending is None


def test_home_agent_proves_itself_all_the_same() -> None:
    machine, payload = visiting(WITH_FOREIGN_KEY)
    forged = sign(SHARED, reply(1, to=payload, association=None), MobileForeignAuthentication)
    assert reasons(machine.handle(datagram(forged), at(0.1))) == [Reason.REPLY_BAD_AUTHENTICATOR]


# ---- the order of extensions (s3.6.1.3)


def composed(wishes: Wishes, through: ThroughAgent | None) -> RegistrationRequest:
    settings = replace(WITH_FOREIGN_KEY, nai="user@example.org")
    place = through or CoLocated("eth0", ADDRESS.ip, AGENT)
    who = Identity(settings, lambda size: bytes(size))
    payload = compose(settings, who, place, wishes, CARE_OF, Lifetime(100), stamp(0))
    request = parse(payload)
    assert isinstance(request, RegistrationRequest) and is_signed(request)
    return request


THROUGH = ThroughAgent("eth0", AGENT, AGENT_MAC, CARE_OF, Lifetime(300), True)


@pytest.mark.rfc("3024", "3.3", 2, 3)
@pytest.mark.rfc("5944", "3.6.1.3", 1)
def test_delivery_style_stands_between_the_authentications_and_only_with_a_reverse_tunnel() -> None:
    wishes = Wishes(reverse_tunnel=True, encapsulating_delivery=True)
    names = [type(extension) for extension in composed(wishes, THROUGH).extensions]
    assert names == [
        NetworkAccessIdentifier,
        MobileHomeAuthentication,
        EncapsulatingDelivery,
        MobileForeignAuthentication,
    ]
    for request in (
        composed(replace(wishes, reverse_tunnel=False), THROUGH),
        composed(replace(wishes, encapsulating_delivery=False), THROUGH),
        composed(wishes, None),
    ):
        assert request.first(EncapsulatingDelivery) is None
    assert composed(wishes, None).first(MobileForeignAuthentication) is None


def test_flags_are_the_wishes() -> None:
    flags = composed(Wishes(encapsulations=(EncapsulationType.GRE,), simultaneous=True), None).flags
    assert (flags.minimal, flags.gre, flags.simultaneous, flags.reverse_tunnel) == (False, True, True, False)
    assert int(composed(Wishes(encapsulations=(EncapsulationType.MINIMAL,)), THROUGH).flags) == 0x10
    assert flags.decapsulation_by_mn and not flags.broadcast
    assert int(composed(Wishes(), THROUGH).flags) == 0
