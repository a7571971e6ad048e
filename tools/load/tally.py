"""What one run of the players saw."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray


class Operation(IntEnum):
    """What a request is for. NEW is any request of a node that has no binding."""

    NEW = 0
    RENEW = 1
    MOVE = 2
    DEREGISTER = 3


ACCEPTED: Final = (0, 1)  # reply codes (RFC 5944 s3.4)


@dataclass(slots=True)
class Tally:
    """Counts of one run, ``seconds`` long. ``lost`` were not answered in time; ``late`` were, but afterwards."""

    seconds: float = 0.0
    sent: int = 0
    accepted: int = 0
    lost: int = 0
    late: int = 0
    forged_replies: int = 0
    operations: Counter[str] = field(default_factory=Counter)
    denials: Counter[int] = field(default_factory=Counter)
    generator_cpu: float = 0.0
    _latencies: list[NDArray[np.float64]] = field(default_factory=list)

    def answered(self, latencies: NDArray[np.float64]) -> None:
        """``latencies`` in seconds of requests that were answered in time."""
        self._latencies.append(latencies)

    @property
    def rate(self) -> float:
        """Accepted registrations a second."""
        return self.accepted / self.seconds if self.seconds else 0.0

    def latency(self, percent: float) -> float | None:
        """A percentile in seconds; ``None`` if nothing was answered."""
        if not self._latencies:
            return None
        return float(np.percentile(np.concatenate(self._latencies), percent))

    @property
    def share_answered(self) -> float:
        """Of the requests whose fate is known, those answered (accepted or denied) in time."""
        answered = sum(map(len, self._latencies))
        return answered / (answered + self.lost) if answered + self.lost else 0.0

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        p50, p99 = self.latency(50), self.latency(99)
        return {
            "seconds": round(self.seconds, 3),
            "sent": self.sent,
            "accepted": self.accepted,
            "accepted_per_s": round(self.rate, 1),
            "latency_p50_ms": None if p50 is None else round(p50 * 1e3, 3),
            "latency_p99_ms": None if p99 is None else round(p99 * 1e3, 3),
            "lost": self.lost,
            "late": self.late,
            "share_answered": round(self.share_answered, 5),
            "wrong_authenticators": self.forged_replies,
            "operations": dict(self.operations),
            "denials": {str(code): count for code, count in sorted(self.denials.items())},
            "generator_cpu_s": round(self.generator_cpu, 3),
        }
