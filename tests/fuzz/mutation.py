"""Seeded random changes to bytes: what remains of fuzzing where atheris cannot be installed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

_TELLING = (0, 1, 2, 3, 4, 0x14, 0x7F, 0x80, 0xFE, 0xFF)


def mutations(corpus: Sequence[bytes], rng: random.Random, longest: int) -> Iterator[bytes]:
    """Without end: an element of ``corpus`` after one to four changes."""
    while True:
        data = bytearray(rng.choice(corpus))
        for _ in range(rng.randint(1, 4)):
            _change(data, corpus, rng)
        yield bytes(data[:longest])


def _change(data: bytearray, corpus: Sequence[bytes], rng: random.Random) -> None:
    at = rng.randrange(len(data) + 1)
    match rng.randrange(7):
        case 0:
            del data[at:]
        case 1:
            del data[at : at + rng.randint(1, 8)]
        case 2:
            data[at:at] = rng.randbytes(rng.randint(1, 8))
        case 3:
            other = rng.choice(corpus)
            data[at:] = other[rng.randrange(len(other) + 1) :]
        case 4:
            data[at:at] = data[at : at + rng.randint(1, 40)]
        case 5 if at < len(data):
            data[at] = rng.choice(_TELLING)
        case 6 if at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        case _:
            pass
