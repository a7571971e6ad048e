"""What is fuzzed: a function of bytes that raises when something does not hold, and bytes to begin with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

T = TypeVar("T")

FOUND: Final = Path(__file__).parent / "found"  # inputs that once broke something, by target


@dataclass(frozen=True)
class Target:
    """``run`` raises for bytes that break it; ``seeds`` gives the corpus by name, made from the test vectors.

    ``words`` are for the fuzzer's dictionary: what chance would not find soon.
    """

    run: Callable[[bytes], None]
    seeds: Callable[[], Mapping[str, bytes]]
    words: Sequence[bytes] = ()
    longest: int = 1024


def found(name: str) -> dict[str, bytes]:
    """Inputs that broke the target once."""
    return {path.name: path.read_bytes() for path in sorted((FOUND / name).glob("*"))}


class Choices:
    """Decisions read from fuzzed bytes. When they are used up every answer is zero."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._offset = 0

    def __bool__(self) -> bool:
        return self._offset < len(self._data)

    def number(self, size: int = 1) -> int:
        return int.from_bytes(self.take(size))

    def take(self, size: int) -> bytes:
        taken = self._data[self._offset : self._offset + size]
        self._offset += size
        return taken.ljust(size, b"\0")

    def some(self) -> bytes:
        """A length of one byte, and as many."""
        return self.take(self.number())

    def pick(self, options: Sequence[T]) -> T:
        return options[self.number() % len(options)]

    def mostly(self, options: Sequence[T]) -> T:
        """The first option for most bytes: a history needs many steps that are all right to come to anything."""
        number = self.number()
        return options[0 if number < 0xB0 else number % len(options)]
