"""Sources asked in their order, and what is made of their answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import IPv4Address

import pytest

from mobileip.control.aaa.chain import KeyChain, KeyEvent
from mobileip.control.aaa.configured import ConfiguredKeys
from mobileip.control.aaa.sources import Answer, Found, Unavailable, Unknown
from mobileip.control.core.events import KeysFound, KeysUnavailable, KeysUnknown
from mobileip.control.security import AssociationTable, MobilitySecurityAssociation, Secret
from mobileip.control.types import Spi

SPI = Spi(1000)
PEER = IPv4Address("192.0.2.10")
ONE = MobilitySecurityAssociation(Spi(1000), Secret(b"0123456789abcdef"))
OTHER = MobilitySecurityAssociation(Spi(1001), Secret(b"fedcba9876543210"))


class Said:
    """A source that says one thing, ``after`` seconds."""

    def __init__(self, name: str, answer: Answer | Exception, after: float = 0.0) -> None:
        self.name = name
        self.asked: list[IPv4Address | str] = []
        self.closed = False
        self.cancelled = False
        self._answer = answer
        self._after = after

    async def find(self, peer: IPv4Address | str, spi: Spi) -> Answer:
        self.asked.append(peer)
        try:
            await asyncio.sleep(self._after)
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    async def close(self) -> None:
        self.closed = True


def answers(sources: Sequence[Said], peers: Sequence[IPv4Address | str] = (PEER,)) -> list[KeyEvent]:
    """What comes of asking for ``peers`` at once, in its order."""

    async def run() -> list[KeyEvent]:
        queue: asyncio.Queue[KeyEvent] = asyncio.Queue()
        chain = KeyChain(sources, queue.put_nowait, 0.2, 20.0)
        for peer in peers:
            chain.ask(peer, SPI)
        assert queue.empty()  # never before ask() has returned
        async with asyncio.timeout(5):
            events = [await queue.get() for _ in peers]
        await chain.close()
        return events

    return asyncio.run(run())


KNOWS, KNOWS_NOT, AWAY = Found((ONE,), 5.0), Unknown(), Unavailable("no answer within 1 s")


@pytest.mark.parametrize(
    ("said", "event", "asked"),
    [
        ([KNOWS, Found((OTHER,))], KeysFound(PEER, (ONE,), "s0", 5.0), 1),
        ([KNOWS_NOT, KNOWS], KeysFound(PEER, (ONE,), "s1", 5.0), 2),
        ([AWAY, KNOWS], KeysFound(PEER, (ONE,), "s1", 5.0), 2),
        ([KNOWS_NOT, KNOWS_NOT], KeysUnknown(PEER), 2),
        ([Unknown(SPI), KNOWS_NOT], KeysUnknown(PEER, SPI), 2),
        ([Found((ONE,), None, SPI, PEER)], KeysFound(PEER, (ONE,), "s0", None, SPI, PEER), 1),
        # What another says in the place of the one that is away counts until that one is tried again.
        ([AWAY, Found((OTHER,))], KeysFound(PEER, (OTHER,), "s1", 20.0), 2),
        ([KNOWS_NOT, Found((OTHER,))], KeysFound(PEER, (OTHER,), "s1"), 2),
        # The source that is away may know it.
        ([AWAY, KNOWS_NOT], KeysUnavailable(PEER, "s0: no answer within 1 s"), 2),
        ([KNOWS_NOT, AWAY], KeysUnavailable(PEER, "s1: no answer within 1 s"), 2),
        ([AWAY, AWAY], KeysUnavailable(PEER, "s0: no answer within 1 s; s1: no answer within 1 s"), 2),
    ],
)
def test_the_first_who_knows_decides(said: list[Answer], event: KeyEvent, asked: int) -> None:
    sources = [Said(f"s{number}", answer) for number, answer in enumerate(said)]
    assert answers(sources) == [event]
    assert [len(source.asked) for source in sources] == [1] * asked + [0] * (len(sources) - asked)
    assert all(source.closed for source in sources)


def test_the_configuration_may_stand_behind_another_source() -> None:
    table = AssociationTable([(PEER, ONE), (PEER, OTHER), ("*@example.net", OTHER)])

    async def run(peer: IPv4Address | str) -> Answer:
        return await ConfiguredKeys(table).find(peer, SPI)

    assert asyncio.run(run(PEER)) == Found((ONE, OTHER))
    assert asyncio.run(run("alice@example.net")) == Found((OTHER,))
    assert asyncio.run(run(PEER + 1)) == Unknown()


def test_a_slow_source_holds_up_nobody_else() -> None:
    class Uneven(Said):
        async def find(self, peer: IPv4Address | str, spi: Spi) -> Answer:
            if peer == "slow":
                await asyncio.sleep(60)
            return await super().find(peer, spi)

    first, last = answers([Uneven("s0", KNOWS)], ["slow", "fast"])
    assert first == KeysFound("fast", (ONE,), "s0", 5.0)
    assert last == KeysUnavailable("slow", "no answer within 0.2 s")


def test_a_fault_of_a_source_is_an_answer_and_tells_no_secrets() -> None:
    source = Said("s0", RuntimeError("0123456789abcdef"))
    [event] = answers([source])
    assert isinstance(event, KeysUnavailable)
    assert event.why == "s0: fault in the source of keys: RuntimeError; please report it"


def test_closing_ends_what_is_under_way() -> None:
    async def run() -> list[KeyEvent]:
        events: list[KeyEvent] = []
        source = Said("s0", KNOWS, after=60)
        chain = KeyChain([source], events.append, 60)
        chain.ask(PEER, SPI)
        await asyncio.sleep(0)
        await chain.close()
        assert source.cancelled and source.closed
        return events

    assert asyncio.run(run()) == []
