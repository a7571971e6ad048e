"""The mobile node: requests, replies, repairs, back-off, renewal and expiry (RFC 5944 s3.6, s5.7)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Interface

import pytest

from mobileip.control.core.actions import Action, RemoveTunnel, SendDatagram
from mobileip.control.core.attachment import ThroughAgent
from mobileip.control.core.events import LinkChanged, Stopping, Tick
from mobileip.control.core.mobile import MobileNode, MobileNodeSettings, State
from mobileip.control.reasons import Reason
from mobileip.control.types import Endpoint, Identification, Lifetime, Spi
from mobileip.control.wire import MobileHomeAuthentication, RegistrationRequest, parse
from tests.unit.core.factory import (
    AGENT,
    AGENT_MAC,
    ASSOCIATION,
    CARE_OF,
    HOME,
    HOME_AGENT,
    HOME_INTERFACE,
    WRONG_ASSOCIATION,
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
    request,
    sent_request,
    stamp,
)

SETTINGS = MobileNodeSettings(HOME_INTERFACE, HOME_AGENT, ASSOCIATION, ("eth0",), Lifetime(100))
ADDRESS = IPv4Interface("203.0.113.77/24")


class Draws:
    """Entropy that never repeats, so that no two Identifications are equal by chance."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, size: int) -> bytes:
        self.count += 1
        return self.count.to_bytes(size)


def node(settings: MobileNodeSettings = SETTINGS) -> MobileNode:
    return MobileNode(settings, Draws())


def visiting(
    settings: MobileNodeSettings = SETTINGS, time: float = 0.0, registration_lifetime: int = 300
) -> tuple[MobileNode, bytes]:
    """A node that just asked a foreign agent, and its request."""
    machine = node(settings)
    machine.handle(LinkChanged("eth0", True), at(time))
    event = advertisement(lifetime=9000, registration_lifetime=registration_lifetime)
    return machine, only(machine.handle(event, at(time)), SendDatagram).payload


def registered(lifetime: int = 100, settings: MobileNodeSettings = SETTINGS) -> MobileNode:
    machine, asked = visiting(settings)
    hear(machine, reply(to=asked, lifetime=lifetime), 0.1)
    assert machine.state is State.REGISTERED
    return machine


def hear(machine: MobileNode, payload: bytes, time: float) -> list[Action]:
    event = datagram(payload, source=AGENT, destination=HOME, interface="eth0")
    return machine.handle(event, at(time))


def tick(machine: MobileNode, time: float) -> list[Action]:
    return machine.handle(Tick(), at(time))


def request_times(machine: MobileNode, until: float) -> list[float]:
    """Seconds at which requests leave while nobody answers; every deadline is honoured exactly."""
    times = []
    while (deadline := machine.next_deadline()) is not None and deadline <= mono(until):
        time = (deadline - mono(0)) / 1e9
        if not none(machine.handle(Tick(), at(time)), SendDatagram):
            times.append(round(time, 3))
    return times


# ---- requests


@pytest.mark.rfc("5944", "2.4", 12)
@pytest.mark.rfc("5944", "3.2", 2)
@pytest.mark.rfc("5944", "3.3", 2)
@pytest.mark.rfc("5944", "3.5.2", 1)
@pytest.mark.rfc("5944", "3.6.1.2", 2, 12, 14, 18)
@pytest.mark.rfc("5944", "3.6.1.3", 2)
@pytest.mark.rfc("3024", "4", 2)
def test_request_through_an_agent() -> None:
    machine, payload = visiting()
    asked = parse(payload)
    assert isinstance(asked, RegistrationRequest)
    assert (asked.home_address, asked.home_agent, asked.care_of_address) == (HOME, HOME_AGENT, CARE_OF)
    assert asked.lifetime == 100 and is_signed(asked)
    assert asked.flags.reverse_tunnel and not asked.flags.decapsulation_by_mn
    assert machine.pending is not None and machine.pending.identification == asked.identification


@pytest.mark.rfc("5944", "3.1", 1)
@pytest.mark.rfc("5944", "3.6.1.1", 3, 6, 7)
@pytest.mark.rfc("3024", "3.2", 3)
@pytest.mark.rfc("3024", "4.1.1", 1)
@pytest.mark.rfc("3024", "6.1", 1)
def test_request_goes_to_the_agents_link_address_with_ttl_255() -> None:
    machine = node()
    machine.handle(LinkChanged("eth0", True), at(0))
    out = only(machine.handle(advertisement(), at(0)), SendDatagram)
    assert (out.source, out.destination) == (Endpoint(HOME, 434), Endpoint(AGENT, 434))
    assert (out.interface, out.link_destination, out.ttl) == ("eth0", AGENT_MAC, 255)


@pytest.mark.rfc("5944", "3.1", 3)
@pytest.mark.rfc("5944", "3.6.1.1", 1, 8)
@pytest.mark.rfc("5944", "3.6.1.2", 1, 18)
@pytest.mark.rfc("3024", "3.2", 3)
def test_request_with_a_co_located_address_goes_directly() -> None:
    machine = node()
    machine.handle(LinkChanged("eth0", True), at(0))
    actions = machine.handle(LinkChanged("eth0", True, (ADDRESS,), AGENT), at(0.1))
    out = only(actions, SendDatagram)
    assert (out.source, out.destination) == (Endpoint(ADDRESS.ip, 434), Endpoint(HOME_AGENT, 434))
    assert (out.link_destination, out.ttl) == (None, 255)
    asked = sent_request(actions)
    assert asked.flags.decapsulation_by_mn and asked.flags.reverse_tunnel
    assert asked.care_of_address == ADDRESS.ip


@pytest.mark.parametrize(
    ("wanted", "offered", "asked"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_reverse_tunnel_is_asked_for_if_wanted_and_offered(wanted: bool, offered: bool, asked: bool) -> None:
    machine = node(replace(SETTINGS, reverse_tunnel=wanted))
    machine.handle(LinkChanged("eth0", True), at(0))
    actions = machine.handle(advertisement(reverse_tunnel=offered), at(0))
    assert sent_request(actions).flags.reverse_tunnel is asked


@pytest.mark.rfc("5944", "3.6.1.2", 11)
@pytest.mark.parametrize(("own", "agents", "asked"), [(100, 300, 100), (100, 60, 60), (0xFFFF, 300, 300)])
def test_lifetime_is_within_what_the_agent_advertises(own: int, agents: int, asked: int) -> None:
    _, payload = visiting(replace(SETTINGS, lifetime=Lifetime(own)), registration_lifetime=agents)
    message = parse(payload)
    assert isinstance(message, RegistrationRequest) and message.lifetime == asked


def test_agent_that_offers_no_lifetime_is_not_asked_to_deregister() -> None:
    machine = node()
    machine.handle(LinkChanged("eth0", True), at(0))
    actions = machine.handle(advertisement(registration_lifetime=0), at(0))
    assert none(actions, SendDatagram) and machine.state is State.DISCONNECTED


# ---- acceptance


@pytest.mark.parametrize("code", [0, 1])
def test_accepted(code: int) -> None:
    machine, asked = visiting()
    actions = hear(machine, reply(code, to=asked), 0.25)
    reason = Reason.REGISTERED if code == 0 else Reason.REGISTERED_NO_SIMULTANEOUS
    assert reasons(actions) == [reason] and kinds(actions) == []
    assert note(actions, reason).fields["round_trip_ms"] == 250.0
    registration = machine.registration
    assert registration is not None
    assert (registration.care_of_address, registration.lifetime, registration.code) == (CARE_OF, 100, code)
    assert machine.state is State.REGISTERED and machine.pending is None


@pytest.mark.rfc("5944", "3.4", 4)
@pytest.mark.rfc("5944", "3.6.2.2", 4, 5)
def test_lifetime_counts_from_the_sending_of_the_request() -> None:
    machine, asked = visiting()
    hear(machine, reply(to=asked, lifetime=10), 3)
    assert machine.registration is not None and machine.registration.expires == mono(10)


@pytest.mark.rfc("5944", "3.4", 3)
@pytest.mark.rfc("5944", "3.6.2.2", 4)
def test_grant_beyond_the_request_is_not_believed() -> None:
    machine, asked = visiting()
    hear(machine, reply(to=asked, lifetime=5000), 0)
    assert machine.registration is not None and machine.registration.lifetime == 100


def test_infinite_registration_is_neither_renewed_nor_expired() -> None:
    settings = replace(SETTINGS, lifetime=Lifetime(0xFFFF))
    machine, asked = visiting(settings, registration_lifetime=0xFFFF)
    hear(machine, reply(to=asked, lifetime=0xFFFF), 0.1)
    assert machine.registration is not None and machine.registration.expires is None
    assert request_times(machine, 5000) == []


# ---- replies that are none


@pytest.mark.rfc("5944", "3.6.2.1", 2, 3)
@pytest.mark.rfc("5944", "5.7", 4)
def test_reply_must_match_the_latest_request() -> None:
    machine, asked = visiting()
    wrong_low = Identification(stamp(0).high, 77)
    for payload in (
        reply(to=asked, identification=wrong_low),
        reply(131, to=asked, identification=wrong_low),
        reply(69, to=asked, identification=wrong_low, association=None),
    ):
        assert reasons(hear(machine, payload, 0.1)) == [Reason.UNMATCHED_REPLY]
    assert machine.pending is not None and machine.state is State.REGISTERING
    hear(machine, reply(to=asked), 0.2)
    assert reasons(hear(machine, reply(to=asked), 0.3)) == [Reason.UNMATCHED_REPLY]
    assert reasons(hear(machine, reply(131, to=asked), 0.3)) == [Reason.UNMATCHED_REPLY]
    assert machine.state is State.REGISTERED


def test_reply_for_another_home_address_is_not_ours() -> None:
    machine, asked = visiting()
    payload = bytearray(reply(to=asked))
    payload[7] ^= 1
    assert reasons(hear(machine, bytes(payload), 0.1)) == [Reason.UNMATCHED_REPLY]


@pytest.mark.rfc("5944", "3.5.2", 1)
@pytest.mark.rfc("5944", "3.6.2.1", 4, 5, 10, 11, 12, 13)
@pytest.mark.rfc("5944", "5.1", 1)
@pytest.mark.parametrize("code", [0, 1, 130, 131, 133, 136, 9, 200])
@pytest.mark.parametrize("fault", ["unsigned", "wrong key", "twice", "other SPI", "changed"])
def test_reply_of_the_home_agent_must_be_authentic(code: int, fault: str) -> None:
    machine, asked = visiting()
    match fault:
        case "unsigned":
            payload = reply(code, to=asked, association=None)
        case "wrong key":
            payload = reply(code, to=asked, association=WRONG_ASSOCIATION)
        case "twice":
            payload = reply(code, to=asked, after=(MobileHomeAuthentication(ASSOCIATION.spi, bytes(16)),))
        case "other SPI":
            payload = reply(code, to=asked, association=replace(ASSOCIATION, spi=Spi(999)))
        case _:
            changed = bytearray(reply(code, to=asked))
            changed[3] ^= 1
            payload = bytes(changed)
    assert reasons(hear(machine, payload, 0.1)) == [Reason.REPLY_BAD_AUTHENTICATOR]
    assert machine.pending is not None and machine.registration is None
    hear(machine, reply(to=asked), 0.2)  # the true one still counts
    assert machine.registration is not None


def test_what_is_no_reply_is_named() -> None:
    machine, asked = visiting()
    assert reasons(hear(machine, asked, 0)) == [Reason.BAD_DESTINATION]
    assert reasons(hear(machine, b"\x03\x00", 0)) == [Reason.TRUNCATED]
    assert reasons(hear(machine, b"\x63" + bytes(30), 0)) == [Reason.UNKNOWN_MESSAGE_TYPE]


# ---- denials and repairs


@pytest.mark.rfc("5944", "3.6.2.1", 14)
@pytest.mark.rfc("5944", "3.6.2.3", 1)
@pytest.mark.parametrize("code", [64, 65, 66, 67, 72, 77, 78, 80, 81, 82, 88, 116, 194])
def test_denial_of_the_foreign_agent_needs_no_authentication(code: int) -> None:
    """194 is what RFC 5944 prints for 116 and some agents send."""
    machine, asked = visiting()
    actions = hear(machine, reply(code, to=asked, association=None), 0.1)
    assert note(actions, Reason.DENIED).fields["by"] == "foreign agent"
    assert kinds(actions) == [] and machine.state is State.REGISTERING
    assert request_times(machine, 1.2) == [1.1]


@pytest.mark.rfc("5944", "3.6.2.1", 14)
@pytest.mark.rfc("5944", "3.6.2.3", 1)
@pytest.mark.parametrize("code", [128, 129, 130, 131, 134, 135, 136, 138, 139, 77 + 100])
def test_denial_of_the_home_agent_is_retried_later(code: int) -> None:
    machine, asked = visiting()
    actions = hear(machine, reply(code, to=asked), 0.1)
    assert note(actions, Reason.DENIED).fields["code"] == code
    assert kinds(actions) == []
    assert request_times(machine, 20) == [1.1, 3.1, 7.1, 15.1]


def test_denial_does_not_touch_a_registration_that_still_runs() -> None:
    machine = registered(lifetime=100)
    renewal = next(iter(request_times(machine, 71)))
    assert machine.pending is not None
    denial = reply(130, to=replay(machine), lifetime=100)
    hear(machine, denial, renewal + 0.1)
    assert machine.state is State.REGISTERED and machine.registration is not None


def replay(machine: MobileNode) -> bytes:
    """Bytes of a request with the pending Identification, for replies to it."""
    assert machine.pending is not None
    return request(identification=machine.pending.identification)


@pytest.mark.rfc("5944", "3.6.2.3", 2)
def test_lifetime_too_long_is_repaired_at_once() -> None:
    machine, asked = visiting()
    actions = hear(machine, reply(69, to=asked, lifetime=30, association=None), 0.1)
    assert sent_request(actions).lifetime == 30
    assert Reason.RETRYING in reasons(actions)


@pytest.mark.parametrize("offered", [0, 100, 0xFFFF])
def test_offer_that_would_not_help_is_no_repair(offered: int) -> None:
    machine, asked = visiting()
    assert kinds(hear(machine, reply(69, to=asked, lifetime=offered, association=None), 0.1)) == []


@pytest.mark.rfc("5944", "3.6.2.3", 3)
@pytest.mark.rfc("5944", "5.7", 1)
@pytest.mark.parametrize("theirs", [3600.0, -3600.0])
def test_identification_mismatch_is_repaired_with_the_home_agents_clock(theirs: float) -> None:
    machine, asked = visiting()
    message = parse(asked)
    told = Identification(stamp(theirs).high, message.identification.low)
    actions = hear(machine, reply(133, to=asked, identification=told), 0.1)
    assert Reason.CLOCK_RESYNCHRONISED in reasons(actions)
    again = sent_request(actions).identification
    assert abs(again.to_wall() - at(theirs).wall) < 10**9
    assert abs(machine.clock_offset - theirs * 1e9) < 10**9


def test_repairs_at_once_are_few() -> None:
    machine, asked = visiting()
    sent = 0
    for _ in range(10):
        actions = hear(machine, reply(133, to=asked), 0.1)
        if none(actions, SendDatagram):
            break
        asked = only(actions, SendDatagram).payload
        sent += 1
    assert sent == 3
    assert request_times(machine, 1.2) == [1.1]


# ---- time


@pytest.mark.rfc("5944", "3.6.3", 2, 3, 4)
def test_retransmission_backs_off_from_one_second_to_a_minute() -> None:
    machine, _ = visiting(replace(SETTINGS, lifetime=Lifetime(300)))
    assert request_times(machine, 250) == [1, 3, 7, 15, 31, 63, 123, 183, 243]


@pytest.mark.rfc("5944", "3.6.3", 1)
def test_retransmission_waits_no_longer_than_the_lifetime() -> None:
    machine, _ = visiting(replace(SETTINGS, lifetime=Lifetime(5)))
    assert request_times(machine, 20) == [1, 3, 7, 12, 17]


@pytest.mark.rfc("5944", "5.7", 5)
@pytest.mark.rfc("5944", "5.7.1", 4)
def test_each_retransmission_has_a_newer_identification() -> None:
    machine, asked = visiting()
    last = parse(asked).identification
    for time in (1, 3, 7):
        actions = tick(machine, time)
        assert Reason.REQUEST_RETRANSMITTED in reasons(actions)
        assert sent_request(actions).identification > last
        last = sent_request(actions).identification


@pytest.mark.rfc("5944", "3.6", 4)
@pytest.mark.rfc("5944", "3.6.2.2", 3)
@pytest.mark.rfc("5944", "3.8.2.2", 7)
def test_renewal_comes_well_before_the_end() -> None:
    (renewal, *_) = request_times(registered(lifetime=100), 100)
    assert 55 <= renewal <= 70


@pytest.mark.rfc("5944", "3.8.2.2", 7)
def test_renewal_of_a_short_lifetime_keeps_a_second_between_requests() -> None:
    for lifetime in (0, 1):
        machine, asked = visiting()
        hear(machine, reply(to=asked, lifetime=lifetime), 0.1)
        assert request_times(machine, 1.5) == [1.0]


def test_renewal_keeps_the_state_and_moves_the_expiry() -> None:
    machine = registered(lifetime=100)
    (renewal, *_) = request_times(machine, 71)
    assert machine.state is State.REGISTERED
    sent = machine.pending.sent.mono if machine.pending else 0
    hear(machine, reply(to=replay(machine), lifetime=100), 75)
    assert machine.registration is not None and machine.registration.expires == sent + 100 * 10**9
    assert renewal < 71


def test_expiry_without_renewal() -> None:
    machine = registered(lifetime=10)
    seen: list[Reason] = []
    while (deadline := machine.next_deadline()) is not None and deadline <= mono(10):
        seen += reasons(machine.handle(Tick(), at((deadline - mono(0)) / 1e9)))
    assert Reason.REGISTRATION_EXPIRED in seen
    assert machine.state is State.REGISTERING and machine.registration is None
    assert request_times(machine, 25)  # it goes on asking
    hear(machine, reply(to=replay(machine)), 25)
    assert machine.state is State.REGISTERED


# ---- stopping


@pytest.mark.rfc("5944", "3.6.1.2", 18)
def test_stop_deregisters_and_ends_with_the_answer() -> None:
    machine = registered()
    actions = machine.handle(Stopping(), at(5))
    asked = sent_request(actions)
    assert (asked.lifetime, asked.care_of_address) == (0, CARE_OF)
    assert machine.state is State.STOPPING
    actions = hear(machine, reply(0, to=only(actions, SendDatagram).payload, lifetime=0), 5.1)
    assert reasons(actions) == [Reason.DEREGISTERED]
    assert machine.state is State.STOPPED
    assert machine.next_deadline() is None
    assert machine.handle(advertisement(), at(6)) == []


def test_stop_waits_a_second_for_the_answer_and_then_says_nothing_more() -> None:
    machine = registered()
    machine.handle(Stopping(), at(5))
    assert kinds(tick(machine, 6)) == []
    assert machine.state is State.STOPPED and machine.next_deadline() is None


def test_stop_takes_back_a_request_on_its_way() -> None:
    machine, _ = visiting()
    assert sent_request(machine.handle(Stopping(), at(0.1))).lifetime == 0


@pytest.mark.parametrize("where", ["nowhere", "home"])
def test_stop_without_a_binding_is_immediate(where: str) -> None:
    machine = node()
    if where == "home":
        machine.handle(LinkChanged("eth0", True), at(0))
        asked = only(machine.handle(home_advertisement(), at(0)), SendDatagram).payload
        hear(machine, reply(0, to=asked, lifetime=0), 0.1)
    assert none(machine.handle(Stopping(), at(1)), SendDatagram)
    assert machine.state is State.STOPPED and machine.next_deadline() is None


def test_stopping_node_repairs_its_deregistration_only() -> None:
    machine = registered()
    asked = only(machine.handle(Stopping(), at(5)), SendDatagram).payload
    assert sent_request(hear(machine, reply(133, to=asked), 5.1)).lifetime == 0
    assert none(machine.handle(LinkChanged("eth0", False), at(5.2)), RemoveTunnel)
    assert isinstance(machine.attachment, ThroughAgent)


def test_other_interfaces_are_not_ours() -> None:
    machine = node()
    assert machine.handle(LinkChanged("eth7", True), at(0)) == []
    assert machine.handle(advertisement(interface="eth7"), at(0)) == []
    assert machine.handle(advertisement(interface="eth0"), at(0)) == []  # down
    assert machine.table.link("eth7") is None
