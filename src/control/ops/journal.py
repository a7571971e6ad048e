"""Where everything that is noted goes: the counters, the list of violations, and the log as far as it can be read.

A loaded agent, or one under attack, must not spend its time on writing lines that nobody can read: of each reason so
many lines a second are written, and the next one says how many were left out. The counters miss nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from mobileip.control.core.limits import TokenBucket
from mobileip.control.ops import log
from mobileip.control.ops.advice import is_trouble
from mobileip.control.ops.counters import Counters
from mobileip.control.ops.violations import Violations
from mobileip.control.reasons import Level, Reason

_BURST: Final = 2  # seconds' worth of lines at once


class Journal:
    """``log_rate``: lines a second of one reason, 0 for all. ``mono`` and ``wall`` read the clocks, in nanoseconds."""

    def __init__(self, mono: Callable[[], int], wall: Callable[[], int], log_rate: int) -> None:
        self.counters: Final = Counters()
        self.violations: Final = Violations()
        self.datagram: bytes | None = None
        """The message that is being handled, so that what is noted about it can be shown with its contents."""
        self._mono: Final = mono
        self._wall: Final = wall
        self._left_out: Final[dict[str, int]] = {}  # by label, as the buckets
        self.limit_log(log_rate)

    def limit_log(self, rate: int) -> None:
        """From now on ``rate`` lines a second of one reason; 0 for all."""
        self._rate = rate
        self._buckets: dict[str, TokenBucket] = {}

    def note(self, reason: Reason, fields: Mapping[str, object]) -> None:
        self.counters.note(reason)
        if reason.info.level is Level.SECURITY:
            self.violations.note(reason, fields, self._wall())
        if log.wants(reason) and self._may_log(reason):
            if left_out := self._left_out.pop(reason.label, 0):
                fields = {**fields, "left_out": left_out}
            if self.datagram is not None and log.wants_contents() and is_trouble(reason):
                fields = {**fields, "datagram": self.datagram}
            log.log_noted(reason, fields)

    def _may_log(self, reason: Reason) -> bool:
        if not self._rate:
            return True
        label = reason.label
        bucket = self._buckets.get(label)
        if bucket is None:
            bucket = self._buckets[label] = TokenBucket(self._rate, _BURST * self._rate)
        if bucket.take(self._mono()):
            return True
        self._left_out[label] = self._left_out.get(label, 0) + 1
        return False
