"""Attacks by registration messages, recorded or made up, on all three roles (RFC 5944 s5)."""

from __future__ import annotations

import random
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mobileip.control.lab.daemons import KEY, SPI
from mobileip.control.lab.hosts import Host, Sniffer
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.topology import (
    ACCESS_INTERFACE,
    CORRESPONDENT,
    FOREIGN1,
    HOME_ADDRESS,
    HOME_AGENT,
    NODE_INTERFACE,
    UPLINK_INTERFACE,
)
from mobileip.control.lab.waiting import eventually
from mobileip.control.ops.control_socket import call
from mobileip.control.security import Secret, sign
from mobileip.control.types import REGISTRATION_PORT, Lifetime, Spi
from mobileip.control.wire import (
    ForeignHomeAuthentication,
    MobileHomeAuthentication,
    RegistrationReply,
    RegistrationRequest,
    build,
    parse,
)
from tests.attacks.clock import SkewedDaemon
from tests.attacks.state import State, reasons, works
from tests.netns.foreign.visiting import link_address
from tests.netns.roles.asking import ASSOCIATION, another_key, asker, identification, request, signed

pytestmark = pytest.mark.netns

HOME, AGENT = HOME_ADDRESS.ip, FOREIGN1.router.ip
UDP = 17
TO_434 = struct.pack("!H", REGISTRATION_PORT)


def messages(sniffer: Sniffer, kind: int) -> list[bytes]:
    """Registration messages of a type that have passed: 1 requests, 3 replies."""
    return [
        p[28:] for p in sniffer.look() if p[9] == UDP and TO_434 in (p[20:22], p[22:24]) and p[28] == kind
    ]


def recorded(lab: Lab, site: str) -> bytes:
    """The request by which the node registers at ``site``, off the home agent's wire."""
    with lab.home.sniff(UPLINK_INTERFACE) as sniffer:
        lab.go(site)
        return eventually(lambda: messages(sniffer, 1), what="a request to record")[-1]


def replayed(lab: Lab, payload: bytes, source: IPv4Address = AGENT) -> RegistrationReply:
    """Send it once more, as if from ``source``; the home agent's answer, off the wire."""
    before = reasons(lab.home)["identification-mismatch"]
    with lab.core.sniff("home") as sniffer:
        lab.core.send_udp(source, HOME_AGENT, payload, REGISTRATION_PORT)
        answers = eventually(lambda: messages(sniffer, 3), what="an answer", explain=lab.home.explain)
    assert reasons(lab.home)["identification-mismatch"] == before + 1
    reply = parse(answers[0])
    assert isinstance(reply, RegistrationReply)
    return reply


@pytest.mark.rfc("5944", "5.7.1", 7, 8)
def test_a_recorded_request_moves_nobody_back(lab: Lab) -> None:
    first = recorded(lab, "foreign1")
    lab.go("foreign2")
    before = State.of(lab.home)
    for source in (AGENT, CORRESPONDENT):
        assert replayed(lab, first, source).code == 133
    assert State.of(lab.home) == before
    works(lab)


def test_nor_does_it_after_a_restart_of_the_home_agent(lab: Lab) -> None:
    """Within the tolerance of a timestamp, and before any node has said anything."""
    payload = recorded(lab, "foreign1")
    lab.node.stop()  # which deregisters: the binding is gone
    eventually(lambda: lab.home.show("bindings"), lambda rows: rows == [])
    lab.home.kill()
    lab.home.start()
    asked = parse(payload)
    assert isinstance(asked, RegistrationRequest)
    assert time.time_ns() - asked.identification.to_wall() < 7e9, "too late to show anything"
    before = State.of(lab.home)
    assert replayed(lab, payload).code == 133
    assert State.of(lab.home) == before and before.bindings == []
    lab.node.start()
    lab.wait_registered()
    works(lab)


def test_nor_when_the_time_comes_again_after_the_clock_was_set_back(lab: Lab) -> None:
    """An hour ahead, recorded; set back; an hour later, also with a restart between, it is no news."""
    other = HOME + 1
    lab.node.stop()
    lab.home.stop()
    lab.home.configuration["home_agent"]["nodes"].append({"home_address": str(other), "spi": SPI, "key": KEY})
    home = SkewedDaemon(lab)
    home.start(ahead=3600)
    payload = signed(replace(request(CORRESPONDENT), identification=identification(3600)))
    away = signed(replace(request(HOME), identification=identification(3600.1), lifetime=Lifetime(0)))
    with asker(lab.correspondent) as ask:
        assert [ask.ask(one).code for one in (payload, away)] == [1, 0]
        home.set(ahead=0)
        fresh = replace(request(CORRESPONDENT), home_address=other)
        assert ask.ask(signed(fresh)).code == 1, "whoever did not register in the wrong hour is served"
        for restarted in (False, True):
            if restarted:
                lab.home.kill()
                home.start(ahead=3600)
            home.set(ahead=3600)
            assert [ask.ask(one).code for one in (payload, away)] == [133, 133]
            bound = [row["home_address"] for row in lab.home.show("bindings")]
            assert bound == ([] if restarted else [str(other)])
    lab.home.stop()
    lab.home.log.with_name("home").joinpath("home.accepted").unlink()  # the hour is not over for the others


def test_a_forged_deregistration_takes_nothing_away(away: Lab) -> None:
    before, refused = State.of(away.home), reasons(away.home)["mn-failed-authentication"]
    with asker(away.correspondent) as ask:
        for care_of_address in (HOME, AGENT):
            forged = replace(request(care_of_address), lifetime=Lifetime(0))
            assert ask.ask(another_key(forged)).code == 131
            assert ask.is_silent(build(forged))  # without any authentication
    assert reasons(away.home)["mn-failed-authentication"] >= refused + 2
    assert State.of(away.home) == before
    works(away)


def test_a_forged_reply_convinces_neither_node_nor_foreign_agent(away: Lab) -> None:
    """Acceptances and denials, as if from the home agent, before, during and after the exchange they pretend to end."""
    states = State.of(away.home), State.of(away.foreign1)
    registration = away.node.show("registration")
    wrong = replace(ASSOCIATION, key=Secret(b"not the key at all"))
    counted = reasons(away.foreign1)["unmatched-reply"], reasons(away.node)["reply-bad-authenticator"]
    mac = bytes.fromhex(link_address(away.node.namespace, NODE_INTERFACE).replace(":", ""))
    for code, lifetime in ((0, 600), (0, 0), (129, 0), (133, 0)):
        forged = RegistrationReply(code, Lifetime(lifetime), HOME, HOME_AGENT, identification())
        payload = sign(wrong, build(forged), MobileHomeAuthentication)
        away.core.send_udp(HOME_AGENT, AGENT, payload, REGISTRATION_PORT)
        _put_on_the_link(away, mac, AGENT, HOME, payload)
    eventually(lambda: reasons(away.foreign1)["unmatched-reply"] - counted[0], lambda more: more == 4)
    assert (State.of(away.home), State.of(away.foreign1)) == states
    seen = away.node.show("registration")
    for name in ("state", "care_of_address", "foreign_agent", "clock_offset_s", "registered_at_mono_ns"):
        assert seen[name] == registration[name]
    works(away)


def _put_on_the_link(
    lab: Lab, mac: bytes, source: IPv4Address, destination: IPv4Address, payload: bytes
) -> None:
    """From the router of the link, whose daemon knows nothing of it."""
    datagram = struct.pack("!HHHH", REGISTRATION_PORT, REGISTRATION_PORT, 8 + len(payload), 0) + payload
    header = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(datagram), 0, 0, 64, UDP, 0, source.packed, destination.packed
    )
    with lab.foreign1.namespace.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as raw:
        raw.sendto(_summed(header) + datagram, (ACCESS_INTERFACE, 0x0800, 0, 0, mac))


def _summed(header: bytes) -> bytes:
    total = sum(word for (word,) in struct.iter_unpack("!H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return header[:10] + struct.pack("!H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF) + header[12:]


def test_who_plays_a_foreign_agent_without_its_key_gets_no_binding(lab: Lab) -> None:
    """The node's own request, rightly signed, through an agent that is not the one it says it is (s3.8.2.1 c)."""
    lab.home.stop()
    agent = {"address": str(CORRESPONDENT), "spi": SPI, "key": "00ff" * 8}
    lab.home.configuration["home_agent"]["foreign_agents"] = [agent]
    lab.home.start()
    flags = replace(request(CORRESPONDENT).flags, decapsulation_by_mn=False)
    asked = [replace(request(CORRESPONDENT), flags=flags) for _ in range(2)]
    guess = replace(ASSOCIATION, key=Secret(b"guess"))
    with asker(lab.correspondent) as ask:
        assert ask.ask(signed(asked[0])).code == 132
        assert ask.ask(sign(guess, signed(asked[1]), ForeignHomeAuthentication)).code == 132
    assert lab.home.show("bindings") == [] and lab.home.show("tunnels") == []


@pytest.mark.rfc("5944", "3.8.2.1", 6)
def test_scanning_spis_finds_no_way_in(away: Lab) -> None:
    """Nobody is let in by any SPI, unknown ones are met with silence, and the scan is listed as a violation."""
    before = State.of(away.home)
    spis = [SPI, SPI + 1, 0xFFFF_FFFF, *random.Random(7).sample(range(300, 1 << 32), 300)]
    with asker(away.correspondent) as ask:
        for spi in spis:
            guess = replace(ASSOCIATION, spi=Spi(spi), key=Secret(b"guess"))
            ask.send(sign(guess, build(request(CORRESPONDENT)), MobileHomeAuthentication))
        answered = ask.answers(0.5)
    assert {reply.code for reply in answered} == {131}
    assert len(answered) == 1, "only the SPI that exists is answered"
    assert State.of(away.home) == before
    shown = {(row["reason"], row["source"]) for row in away.home.show("violations")}
    assert ("unknown-association", str(CORRESPONDENT)) in shown
    works(away)


def unauthenticated(rng: random.Random) -> Iterator[bytes]:
    """What a stranger can send: garbage, parts of messages, messages that others signed."""
    good = signed(request(CORRESPONDENT))
    yield from (good[:length] for length in range(0, len(good), 3))
    for _ in range(40):
        spoilt = bytearray(good)
        spoilt[rng.randrange(len(good))] ^= 1 << rng.randrange(8)
        yield bytes(spoilt)
    yield from (bytes([kind]) + rng.randbytes(rng.randrange(90)) for kind in range(0, 256, 5))
    yield build(request(CORRESPONDENT))
    yield another_key(request(CORRESPONDENT))
    yield another_key(replace(request(CORRESPONDENT), lifetime=Lifetime(0)))
    yield another_key(replace(request(CORRESPONDENT), home_agent=CORRESPONDENT))
    yield build(RegistrationReply(0, Lifetime(60), HOME, HOME_AGENT, identification()))


@pytest.mark.parametrize("role", ["home", "foreign1"])
def test_nothing_is_amplified(away: Lab, role: str) -> None:
    """To each datagram of a stranger no more bytes come out than went in, to anybody."""
    target = HOME_AGENT if role == "home" else AGENT
    victim = CORRESPONDENT + 1  # nobody's, so that the denials that others may have are not used up
    daemon = away.home if role == "home" else away.foreign1
    before = State.of(daemon)
    with daemon.sniff(UPLINK_INTERFACE) as sniffer:
        for payload in unauthenticated(random.Random(11)):
            away.core.send_udp(victim, target, payload, REGISTRATION_PORT)
        marker = another_key(request(CORRESPONDENT))
        away.core.send_udp(victim, target, marker, REGISTRATION_PORT)
        eventually(
            lambda: [p for p in sniffer.look() if p[28:] == marker], what="the last of them to be there"
        )
        for _ in range(2):  # each is at least one turn of the loop that reads the port
            daemon.show("counters")
        packets = sniffer.look()
    came = sum(len(p) for p in packets if p[16:20] == target.packed and p[12:16] == victim.packed)
    went = sum(len(p) for p in packets if p[12:16] == target.packed and p[9] in (1, UDP))
    assert came > 0 and went <= came
    assert all(len(p) <= 28 + len(marker) for p in packets if p[12:16] == target.packed and p[9] in (1, UDP))
    assert State.of(daemon) == before
    works(away)


def test_oversized_and_fragmented_messages(away: Lab) -> None:
    """Whole ones of every size are refused by name, parts that never become one wait in the kernel alone."""
    before, counted = State.of(away.home), reasons(away.home)
    with asker(away.correspondent) as ask:
        for size in (1500, 9000, 65000):
            filler = bytes([200, 255, *bytes(255)]) * (size // 257)  # extensions that may be skipped
            assert ask.is_silent(build(request(CORRESPONDENT)) + filler)
            assert ask.is_silent(signed(request(CORRESPONDENT), filler)[:-1])
        _fragments(away.correspondent, signed(request(CORRESPONDENT)))
        assert ask.ask(another_key(request(CORRESPONDENT))).code == 131, "it goes on"
    after = reasons(away.home)
    expected = {"no-authorization-extension": 1, "truncated": 5}  # what is longer than 4096 bytes is cut off
    assert {name: after[name] - counted[name] for name in expected} == expected
    assert State.of(away.home).kernel == before.kernel
    assert len(away.home.show("bindings")) == 1
    works(away)


def _fragments(host: Host, payload: bytes) -> None:
    """A hundred first fragments without the rest, tiny ones, and overlapping ones."""
    datagram = struct.pack("!HHHH", 1000, REGISTRATION_PORT, 8 + len(payload), 0) + payload
    with host.namespace.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for number in range(100):
            for offset, more, part in (
                (0, 1, datagram[:8]),
                (8, 1, datagram[8:16]),
                (0, 1, datagram[:24]),
                (16, 1, datagram[16:40]),
            ):
                head = struct.pack(
                    "!BBHHHBBH4s4s", 0x45, 0, 20 + len(part), number + 1, more << 13 | offset // 8, 64, UDP, 0,
                    CORRESPONDENT.packed, HOME_AGENT.packed,
                )  # fmt: skip
                raw.sendto(head + part, (str(HOME_AGENT), 0))


def test_a_filter_that_is_added_is_heeded_at_the_next_renewal(away: Lab) -> None:
    """What stops an attacker who has a key: a reload keeps bindings, and who is denied now does not renew."""
    home = away.home
    original = home.file.read_text()
    try:
        home.file.write_text(original + '\n[[home_agent.filters]]\naction = "deny"\n')
        call(home.socket, "reload")
        assert len(home.show("bindings")) == 1
        with asker(away.correspondent) as ask:
            assert ask.ask(signed(request(CORRESPONDENT))).code == 129
        assert [row["count"] for row in home.show("filters")] == [1, 0]
    finally:
        home.file.write_text(original)
        call(home.socket, "reload")
    works(away)
