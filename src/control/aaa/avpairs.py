"""Associations as Cisco's home agents keep them on AAA servers: one text for each SPI, over RADIUS and TACACS+ alike.

    spi#0 = "spi 100 key hex 0123456789abcdef0123456789abcdef replay timestamp 7 algorithm hmac-md5"

The words behind ``spi#N`` are those of the command ``ip mobile secure host``. An SPI is hexadecimal there, so that
``spi 100`` is 256, the first that is not reserved (RFC 5944 s1.6); ``spi decimal 256`` says the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from mobileip.control.security import Algorithm, MobilitySecurityAssociation, ReplayMethod, Secret
from mobileip.control.security.association import DEFAULT_REPLAY_TOLERANCE_S
from mobileip.control.security.secret import KEY_LENGTHS
from mobileip.control.types import Spi

_PAIR: Final = re.compile(r"spi#(\d{1,4})\s*[=*]\s*(.*)", re.DOTALL | re.ASCII)  # "*": may be disregarded
_HEXADECIMAL: Final = re.compile(r"(?:0x)?([0-9a-f]{1,8})", re.IGNORECASE)
_DECIMAL: Final = re.compile(r"[0-9]{1,10}", re.ASCII)
_LONGEST_TOLERANCE: Final = 3600  # s, as in the configuration
_REPLAY: Final = {
    word: method for method in ReplayMethod for word in (method.value, method.value.rstrip("s"))
}


@dataclass(frozen=True, slots=True)
class Unsaid:
    """What an association is that the server does not say more of. ``replay_tolerance_s`` in seconds."""

    algorithm: Algorithm = Algorithm.HMAC_MD5
    replay: ReplayMethod = ReplayMethod.TIMESTAMPS
    replay_tolerance_s: float = DEFAULT_REPLAY_TOLERANCE_S


@dataclass(frozen=True, slots=True)
class Read:
    """What was in an answer. ``refused``: a sentence for each association that cannot be used; no key is in it."""

    associations: tuple[MobilitySecurityAssociation, ...] = ()
    refused: tuple[str, ...] = ()


Maker = Callable[[], MobilitySecurityAssociation]


def read(pairs: Iterable[str], unsaid: Unsaid = Unsaid()) -> Read:
    """The associations of all ``spi#N=...`` among ``pairs``, in the order of their numbers; others are passed over."""
    found = [matched for pair in pairs if (matched := _PAIR.fullmatch(pair.strip()))]
    found.sort(key=lambda matched: int(matched[1]))
    return collect((f"spi#{matched[1]}", partial(association, matched[2], unsaid)) for matched in found)


def collect(makers: Iterable[tuple[str, Maker]]) -> Read:
    """What each of ``makers`` gives, under its name; one that cannot is refused and takes no other with it."""
    made: dict[int, MobilitySecurityAssociation] = {}
    refused: list[str] = []
    for name, make in makers:
        try:
            one = make()
            if one.spi in made:
                raise ValueError(f"SPI {one.spi} is there already")
        except ValueError as error:
            refused.append(f"{name}: {error}")
        else:
            made[one.spi] = one
    return Read(tuple(made.values()), tuple(refused))


def key(value: bytes) -> Secret:
    """:raises ValueError: it is shorter or longer than a key in the configuration may be."""
    if len(value) not in KEY_LENGTHS:
        raise ValueError(f"the key has {len(value)} bytes, not {KEY_LENGTHS[0]} to {KEY_LENGTHS[-1]}")
    return Secret(value)


def association(text: str, unsaid: Unsaid = Unsaid()) -> MobilitySecurityAssociation:
    """One association from the words behind ``spi#N=``.

    :raises ValueError: it cannot be used; the sentence says why and repeats nothing that might be a key.
    """
    words = _Words(text.strip().strip('"'))
    into = out = None
    secret: Secret | None = None
    algorithm, replay, tolerance = unsaid.algorithm, unsaid.replay, unsaid.replay_tolerance_s
    for word in words:
        match word:
            case "spi":
                into = out = _spi(words)
            case "inbound-spi":
                into = _spi(words)
            case "outbound-spi":
                out = _spi(words)
            case "key":
                secret = _key(words)
            case "replay":
                replay, tolerance = _replay(words, tolerance)
            case "algorithm":
                algorithm = _algorithm(words)
            case _:
                raise ValueError(f"word {words.place} is none of spi, key, replay and algorithm")
    if into is None or secret is None:
        raise ValueError("the SPI is missing" if into is None else "the key is missing")
    spi_out = None if out in (None, into) else out
    return MobilitySecurityAssociation(into, secret, algorithm, tolerance, replay, spi_out)


class _Words:
    """The words of a text one after the other, each in lower case unless it is taken as it is."""

    def __init__(self, text: str) -> None:
        self._words = text.split()
        self.place = 0  # of the word taken last, from 1

    def __iter__(self) -> Iterator[str]:
        while self.place < len(self._words):
            yield self.take().lower()

    def take(self, what: str = "a word") -> str:
        if self.place == len(self._words):
            raise ValueError(f"{what} is missing at the end")
        self.place += 1
        return self._words[self.place - 1]

    def took(self, *wanted: str) -> bool:
        """Whether the next word is one of these; then it is taken."""
        taken = self.place < len(self._words) and self._words[self.place].lower() in wanted
        self.place += taken
        return taken

    @property
    def next_is_number(self) -> bool:
        return self.place < len(self._words) and self._words[self.place].isdecimal()


def _spi(words: _Words) -> Spi:
    decimal = words.took("decimal")
    digits = words.take("the SPI")
    matched = (_DECIMAL if decimal else _HEXADECIMAL).fullmatch(digits)
    if matched is None:
        raise ValueError(f"word {words.place} is no SPI in {'decimal' if decimal else 'hexadecimal'} digits")
    return Spi(digits) if decimal else Spi(matched[1], 16)


def _key(words: _Words) -> Secret:
    """``key hex DIGITS``, ``key ascii TEXT``; IOS stores some encrypted by a method of its own, ``key hex 7 ...``."""
    kind = words.take("the kind of key").lower()
    if kind not in ("hex", "ascii"):
        raise ValueError("the kind of key is neither hex nor ascii")
    text = words.take("the key")
    if kind == "ascii":
        if not text.isascii():
            raise ValueError("the key is not ASCII")
        return key(text.encode())
    try:
        value = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise ValueError("the key is not pairs of hexadecimal digits") from None
    return key(value)


def _replay(words: _Words, tolerance: float) -> tuple[ReplayMethod, float]:
    method = _REPLAY.get(words.take("the kind of replay protection").lower())
    if method is None:
        raise ValueError(f"word {words.place} is no kind of replay protection")
    if method is ReplayMethod.TIMESTAMPS and (words.took("within") or words.next_is_number):
        return method, _seconds(words.take("the tolerance"))
    return method, tolerance


def _seconds(text: str) -> float:
    if not _DECIMAL.fullmatch(text) or not 0 < int(text) <= _LONGEST_TOLERANCE:
        raise ValueError(f"the tolerance is no number from 1 to {_LONGEST_TOLERANCE} s")
    return float(text)


def _algorithm(words: _Words) -> Algorithm:
    """``md5 mode prefix-suffix`` is that of RFC 2002; other names are those of the configuration."""
    name = words.take("the algorithm").lower()
    if name == "md5":
        if words.took("mode") and not words.took("prefix-suffix"):
            raise ValueError("the mode of md5 is not prefix-suffix")
        return Algorithm.KEYED_MD5
    try:
        return Algorithm(name)
    except ValueError:
        raise ValueError(f"word {words.place} is no algorithm that we know") from None
