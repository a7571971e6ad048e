"""Asking TACACS+ servers for keys, against one of a few lines on loopback; tshark reads the same exchange."""

from __future__ import annotations

import asyncio
import subprocess
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from mobileip.control.aaa.avpairs import Unsaid
from mobileip.control.aaa.servers import Patience, Server
from mobileip.control.aaa.sources import Answer, Found, Unavailable, Unknown
from mobileip.control.aaa.tacacs import TacacsKeys
from mobileip.control.reasons import Reason
from mobileip.control.security import MobilitySecurityAssociation, Secret
from mobileip.control.types import Spi
from tests.unit.aaa.tacacs import (
    ERROR,
    FAIL,
    FOLLOW,
    PASS_ADD,
    PASS_REPL,
    SECRET,
    SINGLE,
    Asked,
    Tacacs,
    reply,
)
from tests.unit.aaa.told import Told

SPI = Spi(256)
NODE = IPv4Address("10.1.0.5")
DIGITS = "00112233445566778899aabbccddeeff"
PAIR = f"spi#0=spi 100 key hex {DIGITS}"
ONE = MobilitySecurityAssociation(Spi(256), Secret(bytes.fromhex(DIGITS)))
FOUND = Found((ONE,), None)
QUICK = Patience(timeout=0.2, dead_time=60.0)


def good(to: Asked) -> list[bytes]:
    return [reply(to, PASS_ADD, PAIR)]


def keys(servers: tuple[Server, ...], told: Told, patience: Patience = QUICK) -> TacacsKeys:
    return TacacsKeys(servers, patience, Unsaid(), told)


def one_question(respond: Any, peer: IPv4Address | str = NODE) -> tuple[Answer, Tacacs, Told]:
    async def run() -> tuple[Answer, Tacacs, Told]:
        server, told = Tacacs(respond), Told()
        source = keys((await server.start(),), told)
        answer = await source.find(peer, SPI)
        await source.close()
        await server.stop()
        return answer, server, told

    return asyncio.run(run())


def test_the_request() -> None:
    answer, server, told = one_question(good)
    assert answer == FOUND and told.all == []
    (request,) = server.requests
    assert request.flags == SINGLE
    assert request.fixed == (1, 1, 0, 0), "nobody authenticated the user; privilege of a user"
    assert (request.user, request.port, request.address) == (b"10.1.0.5", b"mobileip", b"")
    assert request.arguments == (b"service=mobileip",)


@pytest.mark.parametrize(
    ("status", "arguments", "expected"),
    [
        (PASS_ADD, (PAIR,), FOUND),
        (PASS_REPL, ("service=mobileip", PAIR), FOUND),
        (PASS_ADD, (PAIR, "timeout=60"), Found((ONE,), 3600.0)),
        (PASS_ADD, (PAIR, "timeout=0"), FOUND),
        (PASS_ADD, (PAIR, "zone*4"), FOUND),
        (PASS_ADD, (PAIR.replace("=", "*", 1),), FOUND),
        (
            PASS_ADD,
            (f"spi#1=spi 101 key hex {DIGITS}", PAIR),
            Found((ONE, replace(ONE, spi=Spi(257))), None),
        ),
        (PASS_ADD, (), Unknown()),
        (FAIL, (), Unknown()),
        (FOLLOW, (), Unknown()),
    ],
)
def test_what_replies_mean(status: int, arguments: tuple[str, ...], expected: Answer) -> None:
    answer, _, told = one_question(lambda to: [reply(to, status, *arguments)])
    assert answer == expected and told.all == []


@pytest.mark.parametrize(
    ("arguments", "expected", "error"),
    [
        (
            ("spi#0=spi 100 key hex zz", f"spi#1=spi 100 key hex {DIGITS}"),
            FOUND,
            "spi#0: the key is not pairs",
        ),
        ((PAIR, "acl=4"), Unknown(), "argument 1 must be understood and is not"),
        (
            (PAIR, "\udcff".encode("utf-8", "surrogateescape").decode("latin-1") + "="),
            Unknown(),
            "argument 1 must",
        ),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(
    arguments: tuple[str, ...], expected: Answer, error: str
) -> None:
    answer, _, told = one_question(lambda to: [reply(to, PASS_ADD, *arguments)])
    assert answer == expected
    (fields,) = told[Reason.AAA_KEY_MALFORMED]
    assert error in str(fields["error"]) and fields["peer"] == NODE and len(told.all) == 1


def cut(to: Asked) -> list[bytes]:
    data = reply(to, PASS_ADD)
    return [data[:8] + b"\0\0\0\2" + data[12:14]]


@pytest.mark.parametrize(
    ("respond", "error"),
    [
        (lambda to: [reply(to, PASS_ADD, PAIR, secret=b"another")], "secrets differ"),
        (lambda to: [reply(to, PASS_ADD, PAIR, flags=SINGLE | 1)], "it is not obfuscated"),
        (lambda to: [reply(to, PASS_ADD, PAIR, version=0xD0)], "its version is 0xd0, not 0xc0"),
        (lambda to: [reply(to, PASS_ADD, PAIR, number=4)], "packet 4 of type 2 is no reply"),
        (lambda to: [reply(to, 0x33)], "unknown status 0x33"),
        (lambda to: [b"\xc0\2\2\4" + to.session + b"\0\1\0\1"], "it has 65537 bytes, more than 65536"),
        (cut, "its body is too short"),
    ],
)
def test_a_packet_that_is_no_reply_is_told_and_ends_the_connection(respond: Any, error: str) -> None:
    answer, _, told = one_question(respond)
    assert isinstance(answer, Unavailable) and error in answer.why
    (fields,) = told[Reason.AAA_ANSWER_FORGED]
    assert error in str(fields["error"])


def test_an_error_of_the_server_is_as_if_it_were_away() -> None:
    """RFC 8907 s4.4: the next server is asked."""

    async def run() -> None:
        bad, second, told = Tacacs(lambda to: [reply(to, ERROR, message="disk full")]), Tacacs(good), Told()
        source = keys((await bad.start(), await second.start()), told)
        assert await source.find(NODE, SPI) == await source.find(NODE, SPI) == FOUND
        assert len(bad.requests) == 1 and len(second.requests) == 2
        (fields,) = told[Reason.AAA_SERVER_SILENT]
        assert "disk full" in str(fields["error"])
        await source.close()
        await bad.stop()
        await second.stop()

    asyncio.run(run())


@pytest.mark.parametrize("trouble", ["silent", "closes", "gone"])
def test_the_next_server_is_asked_when_one_does_not_reply(trouble: str) -> None:
    async def run() -> None:
        first, second, told = Tacacs(lambda to: None if trouble == "closes" else []), Tacacs(good), Told()
        servers = await first.start(), await second.start()
        if trouble == "gone":
            await first.stop()
        source = keys(servers, told)
        for _ in range(3):
            assert await source.find(NODE, SPI) == FOUND
        assert len(second.requests) == 3
        assert len(first.requests) == (trouble != "gone")
        assert len(told[Reason.AAA_SERVER_SILENT]) == len(told.all) == 1
        await source.close()
        await first.stop()
        await second.stop()

    asyncio.run(run())


def test_many_questions_share_a_connection_after_the_first_reply() -> None:
    """RFC 8907 s4.3: no second packet before single connection mode is agreed on."""

    async def run() -> None:
        seen: list[int] = []

        def respond(to: Asked) -> list[bytes]:
            seen.append(len(server.requests))
            return good(to)

        server, told = Tacacs(respond), Told()
        source = keys((await server.start(),), told)
        peers = [IPv4Address(number) for number in range(100)]
        assert await asyncio.gather(*(source.find(peer, SPI) for peer in peers)) == [FOUND] * 100
        assert server.connections == 1
        assert len({request.session for request in server.requests}) == 100
        assert {request.user.decode() for request in server.requests} == set(map(str, peers))
        server.drop()
        while server.open:
            await asyncio.sleep(0.001)
        assert await source.find(NODE, SPI) == FOUND, "a connection that the server closed is opened anew"
        assert server.connections == 2 and told.all == []
        await source.close()
        await server.stop()

    asyncio.run(run())


def test_a_server_that_wants_a_connection_for_each_question_gets_it() -> None:
    async def run() -> None:
        server, told = Tacacs(lambda to: [reply(to, PASS_ADD, PAIR, flags=0)]), Told()
        server.single = False
        source = keys((await server.start(),), told)
        assert await asyncio.gather(*(source.find(NODE, SPI) for _ in range(40))) == [FOUND] * 40
        assert server.connections == 40 and told.all == []
        await source.close()
        await server.stop()

    asyncio.run(run())


def test_a_reply_after_the_timeout_is_ignored() -> None:
    async def run() -> None:
        late: list[Asked] = []
        server, told = Tacacs(good), Told()
        source = keys((await server.start(),), told, replace(QUICK, timeout=0.05, dead_time=0.0))
        assert await source.find(NODE, SPI) == FOUND
        server.respond = lambda to: late.append(to) or []  # type: ignore[func-returns-value]
        assert isinstance(await source.find(NODE, SPI), Unavailable)
        server.respond = lambda to: [reply(late[0], PASS_ADD), *good(to)]
        assert await source.find(NODE, SPI) == FOUND
        assert len(told[Reason.AAA_ANSWER_LATE]) == 1 and server.connections == 1
        await source.close()
        await server.stop()

    asyncio.run(run())


def test_a_cancelled_question_leaves_nothing_behind() -> None:
    async def run() -> None:
        server, told = Tacacs(lambda to: []), Told()
        source = keys((await server.start(),), told, Patience(timeout=30.0))
        task = asyncio.ensure_future(source.find(NODE, SPI))
        while not server.requests:
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled() and told.all == []
        server.respond = good
        assert await source.find(NODE, SPI) == FOUND
        await source.close()
        await server.stop()

    asyncio.run(run())


def test_a_name_too_long_for_the_packet_is_not_asked_for() -> None:
    answer, server, told = one_question(good, "n" * 256)
    assert isinstance(answer, Unavailable) and "256 bytes does not fit" in answer.why
    assert server.requests == told.all == []


def test_tshark_reads_the_exchange_as_we_do(tmp_path: Path) -> None:
    """An independent reading of both packets, by the dissector with the secret."""
    from scapy.layers.inet import IP, TCP
    from scapy.layers.l2 import Ether
    from scapy.utils import wrpcap

    answer, server, _ = one_question(
        lambda to: [reply(to, PASS_ADD, PAIR, "timeout=5", message="hello")], "al\u00efce@example.net"
    )
    assert answer == Found((ONE,), 300.0)
    frames, sequence = [], {True: 1, False: 1}
    for to_server, data in server.recorded:
        ports = (40000, 49) if to_server else (49, 40000)
        tcp = TCP(
            sport=ports[0], dport=ports[1], flags="PA", seq=sequence[to_server], ack=sequence[not to_server]
        )
        frames.append(Ether() / IP(src="192.0.2.1", dst="192.0.2.1") / tcp / data)
        sequence[to_server] += len(data)
    wrpcap(str(tmp_path / "exchange.pcap"), frames)
    command = ["tshark", "-r", str(tmp_path / "exchange.pcap"), "-V", "-o", f"tacplus.key:{SECRET.decode()}"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    for words in (
        "Type: Authorization (2)",
        "Single Connection",
        "Auth Method: NONE (0x01)",
        "User: al",
        "Port: mobileip",
        "Arg[0] value: service=mobileip",
        "Auth Status: PASS_ADD (0x01)",
        f"Arg[0] value: {PAIR}",
        "Arg[1] value: timeout=5",
    ):
        assert words in shown, shown
    assert "Malformed" not in shown
