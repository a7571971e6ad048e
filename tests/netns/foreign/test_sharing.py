"""Nodes of different home agents with one private home address, at one foreign agent (RFC 3024 sA.4)."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from random import Random

import pytest

from mobileip.control.lab.capture import captured
from mobileip.control.lab.namespaces import Namespaces
from mobileip.control.lab.processes import Processes
from mobileip.control.lab.waiting import eventually
from tests.netns.codes.tshark import needs_both
from tests.netns.foreign.strangers import (
    CARE_OF,
    COMPANIES,
    HOME,
    LINK_OF,
    PORT,
    Client,
    Server,
    Strangers,
    home_agent_of,
)

pytestmark = pytest.mark.netns

WORDS, BULK = 40, 1_000_000


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Strangers]:
    with Namespaces() as spaces, Processes(tmp_path_factory.mktemp("strangers")) as processes:
        yield Strangers(spaces, processes)


def word(company: int, number: int) -> bytes:
    return f"[secret of company {company}, {number}]".encode()


def talk(client: Client, seed: int) -> None:
    """Many small exchanges, and one that fills segments, each checked byte by byte."""
    for number in range(WORDS):
        said = word(client.company, number)
        assert client.says(said) == said
    bulk = Random(seed).randbytes(BULK)
    assert client.says(bulk) == bulk


def all_at_once(clients: list[Client]) -> None:
    with ThreadPoolExecutor(len(clients)) as pool:
        list(pool.map(talk, clients, [client.company for client in clients]))  # raises what failed


def outer_and_inner(file: Path) -> list[tuple[list[str], bytes]]:
    """Of each packet: the addresses of its headers, outermost first, and its TCP payload."""
    fields = ("ip.src", "ip.dst", "tcp.payload")
    command = ["tshark", "-r", str(file), "-T", "fields", *(part for name in fields for part in ("-e", name))]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line.split("\t") for line in run.stdout.splitlines()]
    return [
        (
            [
                address
                for pair in zip(source.split(","), destination.split(","), strict=True)
                for address in pair
            ],
            bytes.fromhex(payload.replace(":", "")),
        )
        for source, destination, payload in rows
    ]


def owner(payload: bytes) -> set[int]:
    return {company for company in COMPANIES if f"[secret of company {company},".encode() in payload}


@needs_both
@pytest.mark.rfc("3024", "A.4", 7, 8)
def test_equal_private_addresses_are_kept_apart(strangers: Strangers, tmp_path: Path) -> None:
    agent = strangers.agent
    with ExitStack() as stack:
        for company in COMPANIES:
            stack.enter_context(Server(strangers.servers[company], company))
        strangers.arrive(1)
        first = stack.enter_context(Client(strangers.nodes[1].namespace, 1))
        talk(first, 1)
        assert HOME in _routes(strangers), "alone, it has the kernel's route"
        strangers.arrive(2, 3)
        assert strangers.visitors() == {(home_agent_of(one), LINK_OF[one]) for one in COMPANIES}
        assert HOME not in _routes(strangers)
        clients = [first]
        wire = tmp_path / "wire.pcap"
        links = {name: tmp_path / f"{name}.pcap" for name in ("lan0", "lan1")}
        with ExitStack() as captures:
            listen = partial(captured, strangers.processes, agent.namespace)
            captures.enter_context(listen("wan0", wire, "ip proto 4"))
            for name, file in links.items():
                captures.enter_context(listen(name, file, f"tcp port {PORT}"))
            clients += [
                stack.enter_context(Client(strangers.nodes[company].namespace, company)) for company in (2, 3)
            ]
            assert [one.greeting for one in clients[1:]] == [b"<server 2>", b"<server 3>"]
            all_at_once(clients)
        seen = set()
        for addresses, payload in outer_and_inner(wire):
            for company in owner(payload):
                assert set(addresses[:2]) == {CARE_OF, home_agent_of(company)}, (company, addresses)
                seen.add((company, addresses[0] == CARE_OF))
        assert seen == {(company, out) for company in COMPANIES for out in (True, False)}, (
            "both ways, all three"
        )
        for name, file in links.items():
            heard = {company for _, payload in outer_and_inner(file) for company in owner(payload)}
            assert heard == {company for company in COMPANIES if LINK_OF[company] == name}
        counters = agent.show("counters")["data_plane"]
        assert counters["link-read-packets"] > 0 and counters["link-sent-packets"] > 0
        assert counters["icmp-failed"] == 0, "who sent too much is told, on the link"

        # One by one they leave; the connections of those who stay go on.
        strangers.nodes[2].stop()
        eventually(strangers.visitors, lambda seen: len(seen) == 2, explain=strangers.explain)
        all_at_once([clients[0], clients[2]])
        strangers.nodes[3].stop()
        eventually(strangers.visitors, lambda seen: len(seen) == 1, explain=strangers.explain)
        assert HOME in _routes(strangers), "alone again"
        talk(first, 5)
    strangers.nodes[1].stop()
    eventually(strangers.visitors, lambda seen: not seen, explain=strangers.explain)
    rules = _ip(strangers, "rule")
    assert HOME not in rules and HOME not in _routes(strangers), "nothing is left behind"


def _ip(strangers: Strangers, what: str) -> str:
    command = [*strangers.agent.namespace.enter(), "ip", what]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _routes(strangers: Strangers) -> str:
    return _ip(strangers, "route")
