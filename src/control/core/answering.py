"""Whose challenges a mobile node answers, and what replies say of them (RFC 4721 s3.1, s3.3, s3.5)."""

from __future__ import annotations

from mobileip.control.core.attachment import Attachment, relay_of
from mobileip.control.core.heard_challenges import AgentPlace, HeardChallenges
from mobileip.control.core.identity import MobileNodeSettings
from mobileip.control.core.mobile_replies import denial_of
from mobileip.control.core.repairs import CHALLENGE_ERRORS
from mobileip.control.wire import MobileForeignChallenge, RegistrationReply


def challenger(
    settings: MobileNodeSettings, challenges: HeardChallenges, attachment: Attachment
) -> AgentPlace | None:
    """The agent that is asked there, if it sets challenges which we can answer."""
    place = _answerable(settings, attachment)
    return place if place is not None and challenges.wants_answers(place) else None


def can_mend(settings: MobileNodeSettings, challenges: HeardChallenges, attachment: Attachment) -> bool:
    """Whether another answer helps. An agent that has told no challenge at all is solicited for one (s3.3)."""
    place = _answerable(settings, attachment)
    if place is not None and not challenges.wants_answers(place):
        challenges.want(place)
        return False
    return place is not None


def hear_reply(challenges: HeardChallenges, attachment: Attachment, reply: RegistrationReply) -> None:
    """What an authentic reply tells is for the next request; what led to an error is not answered again (s3.5)."""
    relay, told, error = relay_of(attachment), reply.first(MobileForeignChallenge), denial_of(reply)
    if relay is None:
        return
    place = relay.interface, relay.agent
    if told is not None:
        challenges.hear(place, told.challenge)
    if error is not None and error.reply_code in CHALLENGE_ERRORS:
        challenges.refuse(place)


def _answerable(settings: MobileNodeSettings, attachment: Attachment) -> AgentPlace | None:
    relay = relay_of(attachment)
    return None if relay is None or not settings.can_answer(relay.agent) else (relay.interface, relay.agent)
