"""Meaning of a reply code as it is received."""

from __future__ import annotations

from typing import Final

from mobileip.control.reasons import ReplyCode

# RFC 5944 s3.4 prints 194 for what IANA registered as 116; a peer may send either.
_CODES: Final[dict[int, ReplyCode]] = {
    **{int(code): code for code in ReplyCode},
    194: ReplyCode.FA_INVALID_HOME_AGENT_ADDRESS,
}


def reply_code(code: int) -> ReplyCode | None:
    """The code's name, or ``None``: only its range then says who refuses (RFC 5944 s3.4)."""
    return _CODES.get(code)
