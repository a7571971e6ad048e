"""Nodes whose SPI or algorithm nobody knows yet: let pass only where the operator says so, and answered in kind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mobileip.control.core.home import HomeAgent
from mobileip.control.reasons import Reason
from mobileip.control.security import Algorithm, AssociationTable, MobilitySecurityAssociation, Secret
from mobileip.control.types import Spi
from mobileip.control.wire import MobileHomeAuthentication
from tests.unit.core.factory import (
    ASSOCIATION,
    HOME,
    OTHER_CARE_OF,
    WRONG_ASSOCIATION,
    at,
    datagram,
    is_signed,
    note,
    reasons,
    request,
    sent_reply,
)
from tests.unit.core.homes import ask, home

ELSEWISE = replace(ASSOCIATION, spi=Spi(4711))
SECOND = MobilitySecurityAssociation(Spi(2000), Secret(b"another key"))


def knowing(*associations: MobilitySecurityAssociation) -> HomeAgent:
    return home(associations=AssociationTable([(HOME, one) for one in associations]))


def test_another_spi_is_let_pass_only_if_so_set() -> None:
    assert reasons(ask(knowing(ASSOCIATION), request(association=ELSEWISE))) == [Reason.UNKNOWN_ASSOCIATION]
    actions = ask(knowing(replace(ASSOCIATION, any_spi=True)), request(association=ELSEWISE))
    answered = sent_reply(actions)
    signature = answered.first(MobileHomeAuthentication)
    assert answered.code == 1 and signature is not None and signature.spi == 4711
    assert is_signed(answered, ELSEWISE)
    said = note(actions, Reason.REGISTERED_NO_SIMULTANEOUS).fields
    assert (said["spi"], said["algorithm"]) == (4711, Algorithm.HMAC_MD5)


def test_the_spi_for_the_way_back_stays_what_is_configured() -> None:
    agent = knowing(replace(ASSOCIATION, any_spi=True, spi_out=Spi(500)))
    signature = sent_reply(ask(agent, request(association=ELSEWISE))).first(MobileHomeAuthentication)
    assert signature is not None and signature.spi == 500


def test_a_spi_that_is_known_means_its_own_association() -> None:
    agent = knowing(replace(ASSOCIATION, any_spi=True), SECOND)
    assert sent_reply(ask(agent, request(association=SECOND))).code == 1
    wrong = replace(ASSOCIATION, spi=SECOND.spi)
    assert sent_reply(ask(agent, request(1, association=wrong), 1)).code == 131


@pytest.mark.rfc("5944", "1.6", 10)
def test_a_reserved_spi_stands_for_nothing() -> None:
    agent = knowing(replace(ASSOCIATION, any_spi=True))
    reserved = bytearray(request(association=ELSEWISE))
    reserved[-20:-16] = (255).to_bytes(4)
    assert reasons(ask(agent, bytes(reserved))) == [Reason.UNKNOWN_ASSOCIATION]


@pytest.mark.parametrize("used", list(Algorithm))
@pytest.mark.parametrize("configured", list(Algorithm))
def test_another_algorithm_is_let_pass_only_if_so_set(configured: Algorithm, used: Algorithm) -> None:
    ours, theirs = replace(ASSOCIATION, algorithm=configured), replace(ASSOCIATION, algorithm=used)
    assert (sent_reply(ask(knowing(ours), request(association=theirs))).code == 1) is (configured is used)
    agent = knowing(replace(ours, any_algorithm=True))
    for time in (0, 1):
        actions = ask(agent, request(time, association=theirs), time)
        assert sent_reply(actions).code == 1 and is_signed(sent_reply(actions), theirs)
        assert note(actions, Reason.REGISTERED_NO_SIMULTANEOUS).fields["algorithm"] is used
    left = sent_reply(ask(agent, request(2, association=theirs, lifetime=0, care_of=OTHER_CARE_OF), 2))
    assert left.code == 0 and is_signed(left, theirs)


def test_another_key_is_never_let_pass() -> None:
    lenient = replace(ASSOCIATION, any_spi=True, any_algorithm=True)
    denied = sent_reply(ask(knowing(lenient), request(association=WRONG_ASSOCIATION)))
    assert denied.code == 131 and is_signed(denied, ASSOCIATION)  # by the algorithm that is configured


def test_what_is_configured_to_the_letter_is_not_logged_each_time() -> None:
    said = note(ask(knowing(ASSOCIATION), request()), Reason.REGISTERED_NO_SIMULTANEOUS).fields
    assert "algorithm" not in said and "spi" not in said


@pytest.mark.parametrize("lenient", [{"any_spi": True}, {"any_algorithm": True}])
def test_there_is_no_short_way_for_them(lenient: dict[str, bool]) -> None:
    agent = knowing(replace(ASSOCIATION, **lenient))
    assert sent_reply(ask(agent, request())).code == 1
    assert agent.on_datagram(datagram(request(1)), at(1)) is None
    strict = knowing(ASSOCIATION)
    ask(strict, request())
    assert strict.on_datagram(datagram(request(1, association=WRONG_ASSOCIATION)), at(1)) is not None
