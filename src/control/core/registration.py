"""A mobile node's registration: what was asked, what was granted, what a reply led to (RFC 5944 s3.6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address

from mobileip.control.core.actions import Action, SendDatagram
from mobileip.control.core.attachment import Attachment
from mobileip.control.core.mobile_replies import Denial
from mobileip.control.core.refusals import Place
from mobileip.control.types import NANOSECONDS, Identification, Instant, Lifetime


@dataclass(frozen=True, slots=True)
class PendingRegistration:
    """The one request whose reply we wait for (s3.6)."""

    attachment: Attachment
    identification: Identification
    lifetime: Lifetime
    care_of_address: IPv4Address
    sent: Instant
    simultaneous: bool
    datagram: SendDatagram


@dataclass(frozen=True, slots=True)
class Registration:
    """What the home agent granted; timed from the sending of the request (s3.6.2.2)."""

    attachment: Attachment
    care_of_address: IPv4Address
    lifetime: Lifetime
    sent: Instant
    accepted: Instant
    code: int
    answered_by: IPv4Address  # source of the reply
    beside: bool = False  # earlier bindings were asked to stay, and do

    @property
    def expires(self) -> int | None:
        return None if self.lifetime.is_infinite else self.sent.mono + self.lifetime * NANOSECONDS


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reply led to. ``denial``: not repaired and not logged yet; ``refused``: the foreign agent will not have us
    there; ``assigned``: a new home address."""

    actions: list[Action] = field(default_factory=list)
    denial: Denial | None = None
    refused: Place | None = None
    assigned: bool = False

    @property
    def denied(self) -> list[Action]:
        """The log line of a denial that stays one."""
        return [] if self.denial is None else [self.denial.said()]
