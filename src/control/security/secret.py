"""Key material that does not show itself."""

from __future__ import annotations

import hmac
from typing import Final, NoReturn, Self

REDACTED: Final = "Secret(...)"
KEY_LENGTHS: Final = range(8, 65)  # bytes; 64 is the block of MD5: HMAC hashes longer keys down anyway


class Secret:
    """Bytes that appear nowhere by accident: not in text, logs, JSON, pickles, nor by comparison time.

    Text forms are the same for every secret, its length included. :meth:`reveal` is the one way to the bytes.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value: Final = bytes(value)

    def reveal(self) -> bytes:
        return self._value

    def __repr__(self) -> str:
        return REDACTED

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        return hash(Secret)  # the same for all: a hash of the value would tell two secrets apart

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not serialised")
