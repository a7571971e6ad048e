"""Polling with a bound: the only way the laboratory waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from mobileip.control.lab.namespaces import LabError

T = TypeVar("T")


class NeverHappened(AssertionError):
    """What was waited for did not happen; the message has the value seen last and whatever may explain it."""


def eventually(
    look: Callable[[], T],
    accept: Callable[[T], object] = bool,
    *,
    within: float = 5.0,
    every: float = 0.02,
    what: str = "",
    explain: Callable[[], str] | None = None,
) -> T:
    """Call ``look`` until ``accept`` is true of what it returns, and return that.

    ``within`` and ``every`` are seconds. A LabError, LookupError or OSError of ``look`` counts as "not yet".
    ``explain`` gives the text to put below the message, for instance the ends of logs. Raises NeverHappened.
    """
    deadline = time.monotonic() + within
    while True:
        try:
            seen: object = (value := look())
            if accept(value):
                return value
        except (LabError, LookupError, OSError) as failure:
            seen = failure
        if time.monotonic() > deadline:
            wanted = what or getattr(accept, "__doc__", None) or "what was waited for"
            message = f"{wanted}: not within {within:g} s; last seen: {seen!r}"
            raise NeverHappened(message + (f"\n{explain()}" if explain else ""))
        time.sleep(every)


def subset(expected: object) -> Callable[[object], bool]:
    """A predicate: what is seen contains ``expected``.

    Mappings may have more keys; each element of an expected list must match some element of the seen list.
    """

    def accept(seen: object) -> bool:
        return contains(seen, expected)

    accept.__doc__ = f"something with {expected!r}"
    return accept


def contains(seen: object, expected: object) -> bool:
    """Whether ``seen`` has everything that ``expected`` has, as :func:`subset` defines it."""
    if isinstance(expected, Mapping):
        return isinstance(seen, Mapping) and all(
            k in seen and contains(seen[k], v) for k, v in expected.items()
        )
    if isinstance(expected, Sequence) and not isinstance(expected, str):
        return isinstance(seen, Sequence) and all(any(contains(s, e) for s in seen) for e in expected)
    return seen == expected
