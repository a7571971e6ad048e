"""Asking RADIUS servers for keys, against one of a few lines on loopback."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest
from pyrad import packet

from mobileip.control.aaa.attributes import Client
from mobileip.control.aaa.avpairs import Unsaid
from mobileip.control.aaa.radius import RadiusKeys
from mobileip.control.aaa.servers import Patience, Server
from mobileip.control.aaa.sources import Answer, Found, Unavailable, Unknown
from mobileip.control.reasons import Reason
from mobileip.control.security import Algorithm, MobilitySecurityAssociation, Secret
from mobileip.control.types import Spi
from tests.unit.aaa.radius import SECRET, Radius, accept, reject, wrongly_signed
from tests.unit.aaa.told import Told

NODE = IPv4Address("10.1.0.5")
SPI = Spi(256)
DIGITS = "00112233445566778899aabbccddeeff"
PAIR = f"mobileip:spi#0=spi 100 key hex {DIGITS}"
ONE = MobilitySecurityAssociation(Spi(256), Secret(bytes.fromhex(DIGITS)))
QUICK = Patience(timeout=0.05, tries=2, dead_time=60.0)
CLIENT = Client("agent1", Secret(b"cisco"), IPv4Address("192.0.2.1"))


async def started(*radius: Radius) -> tuple[Server, ...]:
    return tuple([await one.start() for one in radius])


def keys(
    servers: tuple[Server, ...], told: Told, patience: Patience = QUICK, client: Client = CLIENT
) -> RadiusKeys:
    return RadiusKeys(servers, patience, client, Unsaid(), told)


def asked(
    respond: Any, peer: IPv4Address | str = NODE, client: Client = CLIENT
) -> tuple[Answer, Radius, Told]:
    """One question to one server that answers by ``respond``."""

    async def run() -> tuple[Answer, Radius, Told]:
        radius, told = Radius(respond), Told()
        source = keys(await started(radius), told, client=client)
        answer = await source.find(peer, SPI)
        await source.close()
        radius.close()
        return answer, radius, told

    return asyncio.run(run())


def test_the_request_says_who_is_asked_for_and_proves_who_asks() -> None:
    answer, radius, told = asked(lambda request: [accept(request, PAIR)])
    assert answer == Found((ONE,), None)
    (request,) = radius.requests
    assert request.code == packet.AccessRequest
    assert request["User-Name"] == ["10.1.0.5"]
    assert request.PwDecrypt(request["User-Password"][0]) == "cisco"
    assert request["NAS-IP-Address"] == ["192.0.2.1"] and request["NAS-Identifier"] == ["agent1"]
    assert request["Service-Type"] == [5] and request["NAS-Port-Type"] == [5]
    assert request["3GPP2-MN-HA-SPI"] == [256]
    assert request.raw_packet[20] == 80, "Message-Authenticator comes first"
    assert request.verify_message_authenticator()
    assert told.all == []


@pytest.mark.parametrize(
    ("client", "password", "service"),
    [
        (replace(CLIENT, password=Secret(b"{user}")), "alice@example.net", [5]),
        (replace(CLIENT, password=Secret(b"pre-{user}"), service_type=2), "pre-alice@example.net", [2]),
        (replace(CLIENT, service_type=None), "cisco", None),
    ],
)
def test_password_and_service_are_as_configured(
    client: Client, password: str, service: list[int] | None
) -> None:
    _, radius, _ = asked(lambda request: [reject(request)], "alice@example.net", client)
    (request,) = radius.requests
    assert request["User-Name"] == ["alice@example.net"]
    assert request.PwDecrypt(request["User-Password"][0]) == password
    assert request.get("Service-Type") == service


def test_a_reject_is_an_unknown_peer() -> None:
    assert asked(lambda request: [reject(request)])[0] == Unknown(SPI)


def test_an_accept_without_keys_is_an_unknown_peer() -> None:
    assert asked(lambda request: [accept(request)])[0] == Unknown(SPI)


def test_session_timeout_is_how_long_the_keys_are_good() -> None:
    answer, _, _ = asked(lambda request: [accept(request, PAIR, raw={27: [b"\0\0\x0e\x10"]})])
    assert answer == Found((ONE,), 3600.0)


def test_both_formats_in_one_answer() -> None:
    def respond(request: Any) -> list[bytes]:
        reply = request.CreateReply()
        reply[(9, 1)] = [b"shell:priv-lvl=15", PAIR.encode() + b" algorithm md5 mode prefix-suffix"]
        reply["3GPP2-MN-HA-SPI"] = [300, 301]
        reply["3GPP2-MN-HA-Shared-Key"] = [b"0123456789abcdef", b"a longer key, one of two blocks"]
        return [reply.ReplyPacket()]

    answer, _, told = asked(respond)
    assert isinstance(answer, Found)
    assert answer.associations == (
        replace(ONE, algorithm=Algorithm.KEYED_MD5),
        MobilitySecurityAssociation(Spi(300), Secret(b"0123456789abcdef")),
        MobilitySecurityAssociation(Spi(301), Secret(b"a longer key, one of two blocks")),
    )
    assert told.all == []


@pytest.mark.parametrize(("spi", "only"), [(None, SPI), (256, SPI), (300, None)])
def test_a_server_that_chooses_by_the_spi_tells_of_that_one_alone(spi: int | None, only: Spi | None) -> None:
    """3GPP2's needs no SPI in the answer: it is the one that was asked for."""

    def respond(request: Any) -> list[bytes]:
        reply = request.CreateReply()
        if spi is not None:
            reply["3GPP2-MN-HA-SPI"] = [spi]
        reply["3GPP2-MN-HA-Shared-Key"] = [b"0123456789abcdef"]
        return [reply.ReplyPacket()]

    one = MobilitySecurityAssociation(Spi(spi or 256), Secret(b"0123456789abcdef"))
    assert asked(respond)[0] == Found((one,), None, only)


@pytest.mark.parametrize(
    ("value", "address"),
    [
        (b"\x0a\1\0\5", IPv4Address("10.1.0.5")),
        (b"\xff\xff\xff\xff", None),  # the node may choose (RFC 2865 s5.8)
        (b"\xff\xff\xff\xfe", None),  # we may
        (b"\x0a\1", None),
    ],
)
def test_a_name_may_be_given_an_address(value: bytes, address: IPv4Address | None) -> None:
    answer, _, _ = asked(lambda request: [accept(request, PAIR, raw={8: [value]})], "alice@example.net")
    assert answer == Found((ONE,), None, None, address)


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ({(5535, 57): [b"\0\0\1\x2c"]}, "3GPP2-MN-HA-SPI 0: there is no MN-HA-Shared-Key with it"),
        (
            {(5535, 58): [bytes(18), bytes(18)]},
            "3GPP2-MN-HA-SPI 0: is missing; 3GPP2-MN-HA-SPI 1: is missing",
        ),
        ({(5535, 57): [b"\1\x2c"], (5535, 58): [bytes(18)]}, "3GPP2-MN-HA-SPI 0: it has 2 bytes, not 4"),
        (
            {(5535, 57): [b"\0\0\1\x2c"], (5535, 58): [bytes(17)]},
            "3GPP2-MN-HA-SPI 0: MN-HA-Shared-Key: Invalid length of salt encrypted value",
        ),
        ({(9, 1): [b"mobileip:spi#0=spi 100"]}, "spi#0: the key is missing"),
        ({(9, 1): [b"mobileip:spi#0=spi \xff"]}, "spi#0: word 2 is no SPI in hexadecimal digits"),
    ],
)
def test_a_malformed_association_is_told_in_one_line(raw: dict[Any, list[bytes]], sentence: str) -> None:
    answer, radius, told = asked(lambda request: [accept(request, raw=raw)])
    assert answer == Unknown(SPI)
    (fields,) = told[Reason.AAA_KEY_MALFORMED]
    assert fields["error"] == sentence and fields["peer"] == NODE
    assert len(radius.requests) == len(told.all) == 1


def unsigned(request: Any) -> bytes:
    """An answer by the rules before CVE-2024-3596: only the Response Authenticator is there, and right."""
    reply = request.CreateReply(message_authenticator=False)
    reply[(9, 1)] = [PAIR.encode()]
    data: bytes = reply.ReplyPacket()
    return data


def other_secret(request: Any) -> bytes:
    request.secret = b"another"
    data = accept(request, PAIR)
    request.secret = SECRET
    return data


def foreign_proxy_state(request: Any) -> bytes:
    """As the attack of CVE-2024-3596 needs it: a Proxy-State that we did not send."""
    return accept(request, PAIR, raw={33: [b"collision"]})


@pytest.mark.parametrize(
    ("forge", "error"),
    [
        (unsigned, "it has no Message-Authenticator"),
        (lambda request: wrongly_signed(request, PAIR), "it has a wrong authenticator"),
        (other_secret, "it has a wrong authenticator"),
        (foreign_proxy_state, "it has a wrong authenticator"),
        (lambda request: accept(request, PAIR)[:30], "it is no RADIUS packet: Packet has invalid length"),
        (lambda request: b"\2", "it answers nothing that was asked"),
        (lambda request: b"\2" + bytes([request.id ^ 1]) + bytes(18), "it answers nothing that was asked"),
    ],
)
def test_a_forged_answer_is_told_and_does_not_keep_out_the_true_one(forge: Any, error: str) -> None:
    answer, _, told = asked(lambda request: [forge(request), accept(request, PAIR)])
    assert answer == Found((ONE,), None)
    (fields,) = told[Reason.AAA_ANSWER_FORGED]
    assert fields["error"] == error
    assert Reason.AAA_ANSWER_FORGED.info.level.value == "security"


def test_only_forged_answers_are_no_answer() -> None:
    answer, radius, told = asked(lambda request: [unsigned(request)])
    assert isinstance(answer, Unavailable)
    assert "no answer within 0.1 s" in answer.why
    assert len(told[Reason.AAA_ANSWER_FORGED]) == len(radius.requests) == 2


def test_a_challenge_is_nothing_to_go_by() -> None:
    def challenge(request: Any) -> list[bytes]:
        reply = request.CreateReply()
        reply.code = packet.AccessChallenge
        reply[18] = [b"say friend"]
        return [reply.ReplyPacket()]

    answer, _, _ = asked(challenge)
    assert isinstance(answer, Unavailable) and "say friend" in answer.why


def test_a_name_too_long_for_an_attribute_is_not_asked_for() -> None:
    answer, radius, told = asked(lambda request: [reject(request)], "n" * 255)
    assert isinstance(answer, Unavailable) and "253" in answer.why
    assert radius.requests == told.all == []


def test_the_same_packet_is_sent_again() -> None:
    """RFC 2865 s2.5: with the same identifier and authenticator, so that the server knows it."""
    seen: list[Any] = []

    def respond(request: Any) -> list[bytes]:
        seen.append(request)
        return [accept(request, PAIR)] if len(seen) == 2 else []

    answer, radius, _ = asked(respond)
    assert answer == Found((ONE,), None)
    assert len(radius.requests) == 2
    assert radius.requests[0].raw_packet == radius.requests[1].raw_packet


def test_the_next_server_is_asked_when_one_is_silent_which_is_left_alone_then() -> None:
    async def run() -> None:
        silent, good, told = (
            Radius(lambda request: []),
            Radius(lambda request: [accept(request, PAIR)]),
            Told(),
        )
        servers = await started(silent, good)
        source = keys(servers, told)
        for _ in range(5):
            assert await source.find(NODE, SPI) == Found((ONE,), None)
        assert len(silent.requests) == QUICK.tries
        assert len(good.requests) == 5
        (fields,) = told[Reason.AAA_SERVER_SILENT]
        assert fields["server"] == servers[0].endpoint
        await source.close()

    asyncio.run(run())


def test_one_question_finds_out_that_a_server_is_back() -> None:
    async def run() -> None:
        radius, told = Radius(lambda request: []), Told()
        source = keys(await started(radius), told, replace(QUICK, dead_time=0.3))
        clock = asyncio.get_running_loop().time
        assert isinstance(await source.find(NODE, SPI), Unavailable)
        before = clock()
        answer = await source.find(NODE, SPI)
        assert isinstance(answer, Unavailable) and "none has answered of late" in answer.why
        assert clock() - before < QUICK.timeout / 2, "nobody waits for a server that is known to be away"
        assert len(radius.requests) == QUICK.tries
        await asyncio.sleep(0.3)
        several = await asyncio.gather(*(source.find(NODE, SPI) for _ in range(10)))
        assert all(isinstance(one, Unavailable) for one in several)
        assert len(radius.requests) == 2 * QUICK.tries, "one of ten asked"
        radius.respond = lambda request: [accept(request, PAIR)]
        await asyncio.sleep(0.3)
        assert await source.find(NODE, SPI) == Found((ONE,), None)
        assert len(told[Reason.AAA_SERVER_SILENT]) == len(told[Reason.AAA_SERVER_BACK]) == 1
        await source.close()

    asyncio.run(run())


def test_an_answer_after_the_timeout_is_ignored_and_no_forgery() -> None:
    async def run() -> None:
        slow, told = Radius(lambda request: [accept(request, PAIR)], delay=0.15), Told()
        source = keys(await started(slow), told)
        assert isinstance(await source.find(NODE, SPI), Unavailable)
        while len(told[Reason.AAA_ANSWER_LATE]) < QUICK.tries:
            await asyncio.sleep(0.01)
        assert not told[Reason.AAA_ANSWER_FORGED]
        assert isinstance(await source.find(NODE, SPI), Unavailable), "it is still too slow to be asked"
        await source.close()

    asyncio.run(asyncio.wait_for(run(), 5))


def test_more_questions_than_identifiers_take_more_sockets() -> None:
    async def run() -> None:
        radius, told = Radius(lambda request: []), Told()
        source = keys(await started(radius), told, Patience(timeout=30.0))
        peers = [IPv4Address(number) for number in range(600)]
        asking = asyncio.gather(*(source.find(peer, SPI) for peer in peers))
        while len(radius.requests) < len(peers):
            await asyncio.sleep(0.005)
        assert {request["User-Name"][0] for request in radius.requests} == set(map(str, peers))
        assert len(radius.ports) == 3
        radius.answer_all(lambda request: accept(request, PAIR))
        assert await asking == [Found((ONE,), None)] * 600
        radius.respond = lambda request: [accept(request, PAIR)]
        assert await source.find(NODE, SPI) == Found((ONE,), None)
        assert len(radius.ports) == 3
        assert told.all == []
        await source.close()

    asyncio.run(run())


def test_nobody_listening_is_not_waited_for() -> None:
    async def run() -> None:
        gone, good, told = Radius(lambda request: []), Radius(lambda request: [accept(request, PAIR)]), Told()
        servers = await started(gone, good)
        gone.close()
        await asyncio.sleep(0)
        source = keys(servers, told, Patience(timeout=30.0))
        assert await asyncio.wait_for(source.find(NODE, SPI), 5) == Found((ONE,), None)
        (fields,) = told[Reason.AAA_SERVER_SILENT]
        assert fields["error"] == "connection refused"
        await source.close()

    asyncio.run(run())


def test_a_cancelled_question_leaves_nothing_behind() -> None:
    async def run() -> None:
        radius, told = Radius(lambda request: []), Told()
        source = keys(await started(radius), told, Patience(timeout=30.0, dead_time=0.0))
        task = asyncio.ensure_future(source.find(NODE, SPI))
        while not radius.requests:
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled() and told.all == []
        radius.respond = lambda request: [accept(request, PAIR)]
        assert await asyncio.wait_for(source.find(NODE, SPI), 5) == Found((ONE,), None)
        assert len(asyncio.all_tasks()) == 1
        await source.close()

    asyncio.run(run())
