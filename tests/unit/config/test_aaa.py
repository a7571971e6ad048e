"""[home_agent.aaa]: who says whether nodes are who they say they are."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address

import pytest

from mobileip.control.agent import settings, verifiers
from mobileip.control.agent.reload import is_in_place
from mobileip.control.config.load import examine, load
from mobileip.control.core.actions import Asker, VerifyProof
from mobileip.control.core.proofs import ProofEvent, ProofSettings
from mobileip.control.security import Chap
from mobileip.control.types import Spi
from tests.unit.aaa.radius import LOOPBACK, SECRET, Radius, reject
from tests.unit.aaa.told import Told
from tests.unit.config.texts import HOME, Write, problems, replaced

AAA = """
[[home_agent.aaa.servers]]
address = "192.0.2.10"
secret = "correct-horse-battery"
"""
KEYS = """
[home_agent.aaa]
authenticate = "required"
[home_agent.keys]
sources = ["config", "radius"]
[[home_agent.keys.radius.servers]]
address = "192.0.2.10"
secret = "correct-horse-battery"
"""
ELSEWHERE = AAA.replace("192.0.2.10", "192.0.2.11")


def proofs(text: str, write: Write) -> ProofSettings | None:
    found = settings.of_home_agent(load(write(text)))
    assert found is not None
    return found.proofs


def test_defaults(write: Write) -> None:
    assert proofs(HOME, write) is None
    assert proofs(HOME + AAA, write) == ProofSettings(False, 256, 1000, brings_keys=False)
    home = load(write(HOME + AAA)).home_agent
    assert home is not None and home.aaa is not None
    assert (home.aaa.servers[0].port, home.aaa.service_type) == (1812, "framed")


def test_without_servers_they_are_those_that_have_the_keys_and_one_question_is_enough(write: Write) -> None:
    assert proofs(HOME + KEYS, write) == ProofSettings(required=True, brings_keys=True)
    first = replaced(KEYS, '"radius"]', '"files", "radius"]') + (
        '[home_agent.keys.files]\ndirectory = "/keys"\nmaster_key = "/master"\n'
    )
    found = proofs(HOME + first, write)
    assert found is not None and not found.brings_keys, "the files are asked for keys first"
    found = proofs(HOME + KEYS + ELSEWHERE, write)
    assert found is not None and not found.brings_keys, "others have the keys"


def test_somebody_has_to_be_asked(write: Write) -> None:
    config, found = examine(write(HOME + '[home_agent.aaa]\nauthenticate = "required"\n'))
    assert config is None
    assert [one.key for one in found] == ["home_agent.aaa.servers"] and "is missing" in found[0].text


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        (AAA + ELSEWHERE.replace(".11", ".10"), "servers[1].address", "is already home_agent.aaa.servers[0]"),
        (AAA.replace("correct-horse-battery", "short"), "servers[0].secret", "is short"),
        ('[home_agent.aaa]\nauthenticate = "always"\n' + AAA, "authenticate", "when-present"),
    ],
)
def test_what_is_wrong_is_said(write: Write, text: str, key: str, words: str) -> None:
    assert words in problems(write(HOME + text))[f"home_agent.aaa.{key}"]


@pytest.mark.parametrize("with_keys", [False, True])
def test_the_servers_are_told_who_asks(write: Write, with_keys: bool) -> None:
    async def run() -> None:
        radius, came = Radius(lambda asked: [reject(asked)]), asyncio.Queue[ProofEvent]()
        server = await radius.start()
        text = HOME + (KEYS if with_keys else '[home_agent.aaa]\nnas_identifier = "ha"\n' + AAA)
        place = f'address = "{LOOPBACK}"\nport = {server.endpoint.port}\nsecret = "{SECRET.decode()}"'
        text = replaced(text, 'address = "192.0.2.10"\nsecret = "correct-horse-battery"', place)
        opened = verifiers.Verifiers(load(write(text)), came.put_nowait, Told())
        chap = Chap(1, bytes(16), bytes(20))
        question = VerifyProof(Asker.HOME_AGENT, IPv4Address("10.1.0.5"), chap, Spi(300))
        opened.ask(question)
        assert (await asyncio.wait_for(came.get(), 5)).question is question
        (asked,) = radius.requests
        assert asked["NAS-Identifier"] == ["mobileip" if with_keys else "ha"]
        assert asked["NAS-IP-Address"] == ["192.0.2.1"] and asked["Service-Type"] == [2]
        assert asked.get("3GPP2-MN-HA-SPI") == ([300] if with_keys else None)
        await opened.close()
        radius.close()

    asyncio.run(run())


def test_only_what_is_demanded_can_change_while_it_runs() -> None:
    assert is_in_place("home_agent.aaa.authenticate")
    assert not is_in_place("home_agent.aaa.servers") and not is_in_place("home_agent.aaa")
