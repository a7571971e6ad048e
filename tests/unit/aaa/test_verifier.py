"""Asking RADIUS servers whether a proof is right, against one of a few lines on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest
from pyrad import packet

from mobileip.control.aaa.attributes import Client
from mobileip.control.aaa.avpairs import Unsaid
from mobileip.control.aaa.servers import Patience, Server
from mobileip.control.aaa.verifier import ProofEvent, RadiusVerifier
from mobileip.control.core.actions import Asker, VerifyProof
from mobileip.control.core.events import KeysFound, ProofAccepted, ProofRejected, ProofUnverified
from mobileip.control.reasons import Reason
from mobileip.control.security import Chap, Secret, as_chap, sign_for_aaa
from mobileip.control.types import Spi
from mobileip.control.wire import MobileAaaAuthentication, MobileForeignChallenge, parse
from tests.unit.aaa.radius import Radius, accept, reject
from tests.unit.aaa.told import Told
from tests.unit.core.factory import HOME, request

PASSWORD = b"alice's password"
QUICK = Patience(timeout=0.05, tries=2, dead_time=60.0)
CLIENT = Client("agent1", Secret(b""), IPv4Address("192.0.2.1"), service_type=2)
PAIR = "mobileip:spi#0=spi 100 key hex 00112233445566778899aabbccddeeff"


def proof(password: bytes = PASSWORD) -> Chap:
    challenge = bytes(range(16))
    message = parse(
        sign_for_aaa(Secret(password), request() + MobileForeignChallenge(challenge).encode(), challenge)
    )
    extension = message.first(MobileAaaAuthentication)
    assert extension is not None
    made = as_chap(message, extension)
    assert made is not None
    return made


QUESTION = VerifyProof(Asker.HOME_AGENT, "alice@example.net", proof(), Spi(1000), HOME)
Respond = Callable[[Any], Iterable[bytes]]


def judge(asked: Any) -> list[bytes]:
    """As a RADIUS server does that has alice's password."""
    return [accept(asked, PAIR) if asked.VerifyChapPasswd(PASSWORD) else reject(asked)]


def answers(
    questions: Iterable[VerifyProof], *responds: Respond, unsaid: Unsaid | None = None
) -> tuple[list[ProofEvent], list[Radius], Told]:
    """What comes of ``questions``, asked one after the other of servers that answer by ``responds``."""

    async def run() -> tuple[list[ProofEvent], list[Radius], Told]:
        servers, told = [Radius(respond) for respond in responds], Told()
        places: tuple[Server, ...] = tuple([await one.start() for one in servers])
        came: asyncio.Queue[ProofEvent] = asyncio.Queue()
        verifier = RadiusVerifier(places, QUICK, CLIENT, unsaid, came.put_nowait, told)
        events = []
        for question in questions:
            verifier.ask(question)
            assert came.empty(), "never before it was asked"
            events.append(await asyncio.wait_for(came.get(), 5))
        await verifier.close()
        for one in servers:
            one.close()
        return events, servers, told

    return asyncio.run(run())


def test_the_request_has_the_proof_as_the_standard_says() -> None:
    (event,), (server,), told = answers([QUESTION], judge)
    assert event == ProofAccepted(QUESTION) and told.all == []
    (asked,) = server.requests
    assert asked.code == packet.AccessRequest
    assert asked["User-Name"] == ["alice@example.net"]
    assert asked["CHAP-Password"] == [bytes((QUESTION.chap.identifier,)) + QUESTION.chap.response]
    assert asked["CHAP-Challenge"] == [QUESTION.chap.challenge]
    assert asked["Framed-IP-Address"] == [str(HOME)] and asked["Service-Type"] == [2]
    assert asked["NAS-IP-Address"] == ["192.0.2.1"] and asked["NAS-Identifier"] == ["agent1"]
    assert "User-Password" not in asked, "never both (RFC 2865 s4.1)"
    assert asked.raw_packet[20] == 80 and asked.verify_message_authenticator()


def test_a_wrong_proof_and_an_unknown_user_are_rejected() -> None:
    wrong = replace(QUESTION, chap=proof(b"another's"), home_address=None)
    events, (server,), _ = answers([wrong, QUESTION], judge)
    assert events == [ProofRejected(wrong), ProofAccepted(QUESTION)]
    assert "Framed-IP-Address" not in server.requests[0]


def test_keys_come_along_if_they_are_wanted() -> None:
    (event,), _, _ = answers([QUESTION], judge, unsaid=Unsaid())
    assert isinstance(event, ProofAccepted) and isinstance(event.keys, KeysFound)
    assert event.keys.peer == "alice@example.net" and [one.spi for one in event.keys.associations] == [256]

    (event,), _, told = answers(
        [QUESTION], lambda asked: [accept(asked, "mobileip:spi#0=spi 100")], unsaid=Unsaid()
    )
    assert event == ProofAccepted(QUESTION), "a key that cannot be used makes the proof no worse"
    (fields,) = told[Reason.AAA_KEY_MALFORMED]
    assert fields["error"] == "spi#0: the key is missing"


def test_an_answer_that_is_not_signed_is_none_and_the_next_server_is_asked() -> None:
    def unsigned(asked: Any) -> list[bytes]:
        return [asked.CreateReply(message_authenticator=False).ReplyPacket()]

    events, (first, second), told = answers([QUESTION, QUESTION], unsigned, judge)
    assert events == [ProofAccepted(QUESTION)] * 2
    assert len(first.requests) == QUICK.tries, "then it is left alone"
    assert len(second.requests) == 2
    assert len(told[Reason.AAA_ANSWER_FORGED]) == QUICK.tries
    assert len(told[Reason.AAA_SERVER_SILENT]) == 1


def challenge(asked: Any) -> list[bytes]:
    answer = asked.CreateReply()
    answer.code = packet.AccessChallenge
    return [answer.ReplyPacket()]


@pytest.mark.parametrize(
    ("question", "respond", "why"),
    [
        (QUESTION, lambda asked: [], "no answer within 0.1 s"),
        (QUESTION, challenge, "neither Access-Accept nor Access-Reject"),
        (replace(QUESTION, user="n" * 255), judge, "RADIUS cannot be asked"),
    ],
)
def test_what_nobody_says_is_not_known(question: VerifyProof, respond: Respond, why: str) -> None:
    (event,), _, _ = answers([question], respond)
    assert isinstance(event, ProofUnverified) and event.question == question and why in event.why


def test_a_slow_question_keeps_no_other_waiting_and_leaves_nothing_behind() -> None:
    async def run() -> None:
        radius = Radius(lambda asked: judge(asked) if asked["User-Name"] != ["slow"] else [])
        came: asyncio.Queue[ProofEvent] = asyncio.Queue()
        server = await radius.start()
        verifier = RadiusVerifier((server,), Patience(timeout=30.0), CLIENT, None, came.put_nowait, Told())
        verifier.ask(replace(QUESTION, user="slow"))
        verifier.ask(QUESTION)
        assert await asyncio.wait_for(came.get(), 5) == ProofAccepted(QUESTION)
        await verifier.close()
        assert came.empty() and len(asyncio.all_tasks()) == 1
        radius.close()

    asyncio.run(run())
