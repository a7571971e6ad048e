"""What is known of a reason, whichever it is; the list of them is :mod:`mobileip.control.reasons`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from mobileip.control.types import ReplyCode


class Level(Enum):
    """How loud a reason is in the log. SECURITY is logged as a warning with ``security=true`` (RFC 5944 s3.8.2.1)."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    SECURITY = "security"


@dataclass(frozen=True, slots=True)
class ReasonInfo:
    """What is known of one reason: its text for people, its place in the RFCs, the reply code it sends."""

    text: str
    section: str
    level: Level = Level.INFO
    code: ReplyCode | None = None
    cure: str = ""


class Named(Enum):
    """An enumeration of facts. A member's ``label`` is its name in kebab-case, as logs and counters show it."""

    def __init__(self, info: ReasonInfo) -> None:
        self.label = self.name.lower().replace("_", "-")
        self.info = info
