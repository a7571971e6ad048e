"""Every reply code has its case on the wire: agents of ours answer with it, and the mobile node acts on it.

The cases are those of tests/netns: real daemons, replies read by tshark.
"""

from __future__ import annotations

import re
from pathlib import Path

from mobileip.control.core.repairs import REPAIRS
from mobileip.control.reasons import Reason, ReplyCode
from tests.netns.codes import test_challenges as answering
from tests.netns.codes import test_home_agent as home_agent
from tests.netns.codes import test_mobile_node as mobile_node
from tests.netns.codes import test_redirection as redirection
from tests.netns.foreign import test_challenges as challenges
from tests.netns.foreign import test_codes as foreign_agent

CORE = Path(__file__).resolve().parents[2] / "src" / "control" / "core"
MOBILE_NODE = {
    "mobile.py",
    "registrar.py",
    "repairs.py",
    "mobile_replies.py",
    "answering.py",
}  # they only read codes
NOT_PRODUCED = {
    64: "every refusal of ours has a reason of its own",
    73: "Van Jacobson compression is not asked for any more (RFC 5944 s3.3)",
    107: "keys from AAA servers for the two of them (RFC 3957) are not built",
    128: "every refusal of ours has a reason of its own",
    142: "UDP tunnels (RFC 3519) are not built",
}
OTHER_RFCS = frozenset({142})  # than RFC 5944, 3024, 2794, 4433 and 4721


def produced() -> set[int]:
    """The codes of the reasons that the agents' modules name."""
    text = "".join(path.read_text() for path in CORE.rglob("*.py") if path.name not in MOBILE_NODE)
    named = set(re.findall(r"Reason\.([A-Z_]+)", text))
    return {
        int(reason.info.code) for reason in Reason if reason.name in named and reason.info.code is not None
    }


def test_every_code_is_produced_or_there_is_a_reason_why_not() -> None:
    assert produced() | NOT_PRODUCED.keys() == {int(code) for code in ReplyCode}
    assert produced() & NOT_PRODUCED.keys() == set()


def test_every_code_that_an_agent_produces_is_seen_on_the_wire() -> None:
    foreign = (*foreign_agent.FREE, *foreign_agent.REQUIRED, *foreign_agent.UNAVAILABLE)
    seen = {case.code for case in (*home_agent.CASES, *foreign)} | {redirection.CODE, *challenges.CODES}
    assert produced() - seen == set()


def test_the_mobile_node_is_shown_to_act_on_every_code() -> None:
    acted = {
        0,
        1,
        *mobile_node.ELSEWHERE,
        *mobile_node.MENDED,
        *mobile_node.LATER,
        *mobile_node.NAMED,
        *answering.CODES,
        redirection.CODE,
    }
    assert {int(code) for code in ReplyCode} - acted == OTHER_RFCS
    assert {int(code) for code in REPAIRS} - acted == set()
