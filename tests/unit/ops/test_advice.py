"""Nothing that goes wrong leaves the operator without a cause and a cure."""

from __future__ import annotations

import pytest

from mobileip.control.ops.advice import advice, is_trouble
from mobileip.control.reasons import Reason


@pytest.mark.parametrize("reason", [reason for reason in Reason if is_trouble(reason)])
def test_every_trouble_has_a_cause_and_a_cure(reason: Reason) -> None:
    known = advice(reason)
    assert known.cause, f"say in ops/advice.py what is usually behind {reason.label}"
    assert known.cure, f"say in ops/advice.py what cures {reason.label}"


@pytest.mark.parametrize("reason", Reason)
def test_advice_is_a_line_of_text(reason: Reason) -> None:
    for text in (advice(reason).cause, advice(reason).cure):
        assert "\n" not in text
        assert "|" not in text, "it goes into a table"
        assert not text.endswith(".")
