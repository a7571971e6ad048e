"""Records of bindings on their way to accounting servers."""

from __future__ import annotations

import asyncio
from dataclasses import astuple, replace
from ipaddress import IPv4Address
from typing import Any

import pytest
from pyrad import packet

from mobileip.control.aaa.accounting import Accountant, Amounts, Record, Status
from mobileip.control.aaa.attributes import Client
from mobileip.control.aaa.servers import Patience, Server
from mobileip.control.reasons import Reason
from mobileip.control.security import Secret
from tests.unit.aaa.radius import Radius
from tests.unit.aaa.told import Told

CLIENT = Client("agent1", Secret(b""), IPv4Address("192.0.2.1"))
NOW = 1_800_000_000
START = Record(
    Status.START, "s1", NOW - 2, "alice@example.net", IPv4Address("10.1.0.5"), IPv4Address("198.51.100.1")
)
STOP = replace(
    START,
    status=Status.STOP,
    amounts=Amounts(7, 5_000_000_000, 8, (1 << 33) + 9),
    seconds=60,
    cause=10,
)


def acknowledge(request: Any) -> list[bytes]:
    return [request.CreateReply().ReplyPacket()]


def accountant(servers: tuple[Server, ...], told: Told, most: int = 1000, timeout: float = 0.1) -> Accountant:
    return Accountant(servers, Patience(timeout, 1, 0.05), CLIENT, most, lambda: NOW, told)


def sent(*records: Record) -> list[Any]:
    async def run() -> list[Any]:
        radius, told = Radius(acknowledge), Told()
        # It answers, however busy the machine is.
        accounts = accountant((await radius.start(),), told, timeout=5)
        for record in records:
            accounts.put(record)
        await accounts.close(5)
        radius.close()
        assert told.all == []
        return radius.requests

    return asyncio.run(run())


def names(request: Any) -> list[str]:
    return list(request.keys())  # by name; iterating gives numbers


def test_a_beginning() -> None:
    (request,) = sent(START)
    assert request.code == packet.AccountingRequest and request.VerifyAcctRequest()
    assert {name: request[name] for name in names(request)} == {
        "Acct-Status-Type": [1],
        "Acct-Session-Id": ["s1"],
        "NAS-Identifier": ["agent1"],
        "NAS-IP-Address": ["192.0.2.1"],
        "Tunnel-Server-Endpoint": ["192.0.2.1"],
        "Tunnel-Client-Endpoint": ["198.51.100.1"],
        "Event-Timestamp": [NOW - 2],
        "Acct-Delay-Time": [2],
        "User-Name": ["alice@example.net"],
        "Framed-IP-Address": ["10.1.0.5"],
    }


def test_an_end_counts_beyond_32_bits() -> None:
    """RFC 2869 s5.1: Gigawords say how often the octets have wrapped."""
    (request,) = sent(STOP)
    counts = {name: request[name][0] for name in names(request) if name.startswith("Acct-")}
    assert counts == {
        "Acct-Status-Type": 2,
        "Acct-Session-Id": "s1",
        "Acct-Delay-Time": 2,
        "Acct-Session-Time": 60,
        "Acct-Terminate-Cause": 10,
        "Acct-Input-Packets": 7,
        "Acct-Output-Packets": 8,
        "Acct-Input-Octets": 5_000_000_000 - (1 << 32),
        "Acct-Input-Gigawords": 1,
        "Acct-Output-Octets": 9,
        "Acct-Output-Gigawords": 2,
    }


def test_records_of_one_session_keep_their_order_and_others_go_beside() -> None:
    records = [replace(START, session=f"s{number % 40}", at=NOW + number) for number in range(200)]
    requests = sent(*records)
    assert len(requests) == 200
    for session in range(40):
        times = [one["Event-Timestamp"][0] for one in requests if one["Acct-Session-Id"] == [f"s{session}"]]
        assert times == sorted(times) and len(times) == 5


def test_what_is_not_taken_is_sent_again_until_a_server_is_back() -> None:
    async def run() -> None:
        radius, told = Radius(lambda request: []), Told()
        accounts = accountant((await radius.start(),), told)
        accounts.put(START)
        accounts.put(STOP)
        while not radius.requests:
            await asyncio.sleep(0.005)
        radius.respond = acknowledge
        await accounts.close(5)
        assert [one["Acct-Status-Type"][0] for one in radius.requests][-2:] == [1, 2]
        assert not told[Reason.ACCOUNTING_LOST]

    asyncio.run(run())


def test_while_nobody_answers_reports_give_way_to_beginnings_and_ends() -> None:
    async def run() -> None:
        radius, told = Radius(lambda request: []), Told()
        accounts = accountant((await radius.start(),), told, most=10)
        for number in range(5):
            accounts.put(replace(START, session=f"s{number}"))
        accounts.put(replace(STOP, status=Status.INTERIM))
        assert len(told[Reason.ACCOUNTING_LOST]) == 1
        for number in range(6):
            accounts.put(replace(STOP, session=f"s{number}"))
        assert len(told[Reason.ACCOUNTING_LOST]) == 2
        before = asyncio.get_running_loop().time()
        await accounts.close(0.1)
        assert asyncio.get_running_loop().time() - before < 1
        assert told[Reason.ACCOUNTING_LOST][-1] == {"records": 10}
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())


def test_a_forged_acknowledgement_is_none() -> None:
    async def run() -> None:
        def forge(request: Any) -> list[bytes]:
            data: bytes = request.CreateReply().ReplyPacket()
            return [data[:4] + bytes(16) + data[20:]]

        radius, told = Radius(forge), Told()
        accounts = accountant((await radius.start(),), told)
        accounts.put(START)
        await accounts.close(0.3)
        assert told[Reason.AAA_ANSWER_FORGED][0]["error"] == "it has a wrong authenticator"
        assert told[Reason.ACCOUNTING_LOST] == [{"records": 1}]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        (Amounts(3, 30, 5, 50), Amounts(1, 10, 2, 20), Amounts(2, 20, 3, 30)),
        (Amounts(0, 0, 0, 0), Amounts(1, 10, 2, 20), Amounts()),
    ],
)
def test_amounts_never_shrink(now: Amounts, before: Amounts, expected: Amounts) -> None:
    assert now.beyond(before) == expected
    assert before + expected == Amounts(
        *(max(a, b) for a, b in zip(astuple(now), astuple(before), strict=True))
    )
