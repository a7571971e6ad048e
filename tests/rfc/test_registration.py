"""Requirements on registration and its security that no other test shows (RFC 5944 s3, s5; RFC 3024)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest

from mobileip.control.core.actions import SendDatagram
from mobileip.control.core.events import DatagramReceived, LinkChanged, Tick
from mobileip.control.core.foreign import ForeignAgent
from mobileip.control.core.home import HomeAgent, HomeAgentSettings, HomeNetwork
from mobileip.control.core.mobile import State
from mobileip.control.reasons import Reason, ReplyCode
from mobileip.control.security import (
    Algorithm,
    AssociationTable,
    MobilitySecurityAssociation,
    Secret,
    sign,
    verify,
)
from mobileip.control.types import Endpoint, Identification, Lifetime, Spi
from mobileip.control.wire import (
    Authentication,
    MobileHomeAuthentication,
    RegistrationReply,
    RegistrationRequest,
    RequestFlags,
    parse,
)
from tests.unit.core.factory import (
    AGENT,
    ASSOCIATION,
    CARE_OF,
    HOME,
    HOME_AGENT,
    HOME_NETWORK,
    NODE_MAC,
    REVERSE,
    advertisement,
    at,
    datagram,
    note,
    only,
    reasons,
    reply,
    request,
    sent_reply,
    sent_request,
    stamp,
)
from tests.unit.core.test_foreign import SETTINGS as FOREIGN
from tests.unit.core.test_mobile import SETTINGS, node, visiting
from tests.unit.core.test_mobile import hear as node_hears

PLAIN = bytes.fromhex("0102012cc0000201c0000202c6336403eeafb4701f9aabcd")
ADDRESS = IPv4Interface("203.0.113.77/24")


def home_agent(home_address: IPv4Address = HOME, network: IPv4Network = HOME_NETWORK) -> HomeAgent:
    table = AssociationTable([(home_address, ASSOCIATION)])
    return HomeAgent(HomeAgentSettings(HOME_AGENT, (HomeNetwork(network, None),), table, Lifetime(1000)))


def answered(agent: HomeAgent, event: DatagramReceived) -> RegistrationReply:
    message = parse(event.payload)
    assert isinstance(message, RegistrationRequest)
    return sent_reply(agent.on_request(message, event, at(0)))


# ---- what a request and a reply hold


@pytest.mark.rfc("5944", "3.6.1.2", 9, 10)
@pytest.mark.parametrize("co_located", [False, True])
def test_request_sets_no_bit_it_does_not_mean(co_located: bool) -> None:
    """No B without the means to decapsulate broadcasts, no M and G that nobody offered, nothing reserved."""
    machine = node()
    machine.handle(LinkChanged("eth0", True), at(0))
    event = LinkChanged("eth0", True, (ADDRESS,), AGENT) if co_located else advertisement()
    asked = sent_request(machine.handle(event, at(0.1)))
    assert asked.flags == RequestFlags(decapsulation_by_mn=co_located, reverse_tunnel=True)


@pytest.mark.rfc("5944", "3.2", 3)
def test_mobile_home_authentication_is_the_first() -> None:
    """Of a request, and of its reply."""
    _, payload = visiting()
    answer = answered(home_agent(), datagram(request()))
    for message in (parse(payload), answer):
        kinds = [type(one) for one in message.extensions if isinstance(one, Authentication)]
        assert kinds[:1] == [MobileHomeAuthentication]


@pytest.mark.rfc("5944", "3.8.3.2", 5, 8)
def test_reply_repeats_the_addresses_of_the_request() -> None:
    for payload in (request(), request(lifetime=0), request(lifetime=0, care_of=HOME)):
        answer = answered(home_agent(), datagram(payload))
        assert answer.reply_code is not None and answer.reply_code.accepted
        assert (answer.home_address, answer.home_agent) == (HOME, HOME_AGENT)
        assert answer.identification == stamp(0)


@pytest.mark.rfc("5944", "3.8.2", 4)
def test_broadcast_bit_is_no_reason_to_deny() -> None:
    answer = answered(home_agent(), datagram(request(flags=replace(REVERSE, broadcast=True))))
    assert answer.reply_code is not None and answer.reply_code.accepted


@pytest.mark.rfc("3024", "A.4", 10)
def test_private_home_address_is_served() -> None:
    """RFC 3024 appendix A.4: with a reverse tunnel a home address may be private."""
    home = IPv4Address("10.1.0.5")
    agent = home_agent(home, IPv4Network("10.1.0.0/24"))
    answer = answered(agent, datagram(request(home_address=home)))
    assert answer.reply_code is not None and answer.reply_code.accepted
    assert [binding.home_address for binding in agent.bindings] == [home]


# ---- what the mobile node makes of a denial


@pytest.mark.rfc("5944", "3.4", 5)
@pytest.mark.parametrize("lifetime", [0, 1, 5000, 0xFFFF])
@pytest.mark.parametrize("code", [128, 130, 134])
def test_lifetime_of_a_denial_is_ignored(code: int, lifetime: int) -> None:
    """A registration that runs is neither ended nor prolonged, and the next request asks for what was wanted."""
    machine, asked = visiting()
    node_hears(machine, reply(to=asked), 0.1)
    registration = machine.registration
    machine.handle(LinkChanged("eth0", False), at(5))
    machine.handle(LinkChanged("eth0", True), at(5.1))
    asked = only(machine.handle(advertisement(lifetime=9000), at(5.2)), SendDatagram).payload
    node_hears(machine, reply(code, to=asked, lifetime=lifetime), 5.3)
    assert machine.registration == registration
    deadline = machine.next_deadline()
    assert deadline is not None
    again = sent_request(machine.handle(Tick(), at((deadline - at(0).mono) / 1e9)))
    assert again.lifetime == SETTINGS.lifetime


@pytest.mark.rfc("5944", "5.7.1", 9)
def test_denial_133_with_another_low_half_does_not_move_the_clock() -> None:
    machine, asked = visiting()
    wrong = Identification(stamp(3600).high, parse(asked).identification.low ^ 1)
    assert reasons(node_hears(machine, reply(133, to=asked, identification=wrong), 0.1)) == [
        Reason.UNMATCHED_REPLY
    ]
    assert machine.clock_offset == 0


@pytest.mark.rfc("3024", "3.4", 2)
@pytest.mark.parametrize(("code", "by"), [(70, "foreign agent"), (134, "home agent")])
def test_poorly_formed_is_an_answer_to_a_reverse_tunnel(code: int, by: str) -> None:
    """RFC 3024 s3.4: what an agent that does not know the T bit says."""
    machine, asked = visiting()
    message = parse(asked)
    assert isinstance(message, RegistrationRequest) and message.flags.reverse_tunnel
    signed = ASSOCIATION if code == 134 else None
    denied = note(node_hears(machine, reply(code, to=asked, association=signed), 0.1), Reason.DENIED)
    assert (denied.fields["code"], denied.fields["by"]) == (code, by)
    assert machine.pending is None and machine.state is State.REGISTERING


# ---- the foreign agent's own reply


@pytest.mark.rfc("5944", "3.7.2.3", 5, 6)
@pytest.mark.parametrize(
    ("asked_at", "answered_from"),
    [(AGENT, AGENT), (CARE_OF, CARE_OF), (IPv4Address("224.0.0.11"), AGENT)],
)
def test_denial_is_addressed_as_the_request_says(asked_at: IPv4Address, answered_from: IPv4Address) -> None:
    event = datagram(
        request(lifetime=400),
        source=HOME,
        port=5434,
        destination=asked_at,
        interface="eth1",
        ttl=255,
        mac=NODE_MAC,
    )
    message = parse(event.payload)
    assert isinstance(message, RegistrationRequest)
    actions = ForeignAgent(FOREIGN).on_request(message, event, at(0))
    assert sent_reply(actions).reply_code is ReplyCode.FA_LIFETIME_TOO_LONG
    out = only(actions, SendDatagram)
    assert (out.source, out.destination) == (Endpoint(answered_from, 434), Endpoint(HOME, 5434))
    assert (out.interface, out.link_destination) == ("eth1", NODE_MAC)


# ---- keys and SPIs


@pytest.mark.rfc("5944", "3.5.1", 3)
@pytest.mark.parametrize("algorithm", Algorithm)
@pytest.mark.parametrize("spi", [256, 257, 65535, 65536, 0x7FFF_FFFF, 0xFFFF_FFFF])
def test_any_spi_goes_with_any_algorithm(algorithm: Algorithm, spi: int) -> None:
    ours = MobilitySecurityAssociation(Spi(spi), Secret(b"key"), algorithm)
    message = parse(sign(ours, PLAIN, MobileHomeAuthentication))
    found = message.first(MobileHomeAuthentication)
    assert found is not None and found.spi == spi
    assert AssociationTable([(HOME, ours)]).find(HOME, found.spi) is ours
    assert verify(ours, message, found)


@pytest.mark.rfc("5944", "5.1", 3)
@pytest.mark.parametrize("algorithm", Algorithm)
def test_key_may_hold_any_bytes(algorithm: Algorithm) -> None:
    """Every byte value, zeros in front and behind, as short as one byte and longer than a block of MD5."""
    for key in (bytes(range(256)), bytes(16), b"\x00a\x00", b"\xff", b"\r\n \x00"):
        ours = MobilitySecurityAssociation(Spi(256), Secret(key), algorithm)
        message = parse(sign(ours, PLAIN, MobileHomeAuthentication))
        found = message.first(MobileHomeAuthentication)
        assert found is not None and verify(ours, message, found)
        assert not verify(replace(ours, key=Secret(key + b"\x01")), message, found)
