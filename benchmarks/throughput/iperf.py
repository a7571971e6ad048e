"""What iperf3 says with --json."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Flow:
    """One run: bits that arrived, in how many seconds, and what the sender had to send again."""

    bits: float
    seconds: float
    retransmits: int

    @property
    def rate(self) -> float:
        """Gbit/s."""
        return self.bits / self.seconds / 1e9


def parse(text: str) -> Flow:
    """ValueError with iperf3's own words if the run failed, or if its answer is not what it should be."""
    try:
        answer = json.loads(text)
    except ValueError:
        raise ValueError(f"iperf3 said {text[:200]!r}") from None
    if "error" in answer:
        raise ValueError(f"iperf3: {answer['error']}")
    try:
        received, sent = answer["end"]["sum_received"], answer["end"]["sum_sent"]
        flow = Flow(received["bytes"] * 8.0, float(received["seconds"]), int(sent["retransmits"]))
    except (KeyError, TypeError) as missing:
        raise ValueError(f"iperf3's answer has no {missing}") from None
    if not flow.bits or not flow.seconds:
        raise ValueError("iperf3: nothing arrived")
    return flow
