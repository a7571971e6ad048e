"""Registration filters: who may register from where, as ordered rules of which the first that matches decides.

A home agent asks them about an authenticated request only, so that they tell a stranger nothing (code 129); a foreign
agent before it relays, and once more when the home agent's reply gives the node an address (code 65). What is given up
is never refused: a deregistration passes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from mobileip.control.security.peers import ANY_USER, normalised


class Verdict(StrEnum):
    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Applicant:
    """Who wants to register from where; ``None`` is what is not known, or not there.

    ``nai``: at a home agent only if the node was found, and so authenticated, by it. ``foreign_agent`` is the source
    of a request that came through one.
    """

    interface: str
    care_of_address: IPv4Address | None = None
    home_address: IPv4Address | None = None
    nai: str | None = None
    foreign_agent: IPv4Address | None = None
    home_agent: IPv4Address | None = None


@dataclass(frozen=True, slots=True)
class FilterRule:
    """Matches those whom every condition that is not ``None`` holds for; what is not known fulfils no condition.

    ``nai``: ``user@realm``, or ``*@realm`` for every user of that realm.
    """

    verdict: Verdict
    home_address: IPv4Network | None = None
    nai: str | None = None
    care_of_address: IPv4Network | None = None
    foreign_agent: IPv4Network | None = None
    home_agent: IPv4Network | None = None
    interface: str | None = None

    def matches(self, applicant: Applicant) -> bool:
        return (
            _within(applicant.home_address, self.home_address)
            and _within(applicant.care_of_address, self.care_of_address)
            and _within(applicant.foreign_agent, self.foreign_agent)
            and _within(applicant.home_agent, self.home_agent)
            and self.interface in (None, applicant.interface)
            and _is_named(applicant.nai, self.nai)
        )


@dataclass(frozen=True, slots=True)
class FilterSettings:
    """``default`` is for whom no rule matches."""

    rules: tuple[FilterRule, ...] = ()
    default: Verdict = Verdict.ALLOW

    @property
    def by_interface(self) -> bool:
        """Whether it matters where a request comes in."""
        return any(rule.interface is not None for rule in self.rules)


@dataclass(frozen=True, slots=True)
class Decision:
    """``rule`` is the index of the rule that decides, ``None``: the default does."""

    verdict: Verdict
    rule: int | None

    @property
    def denied(self) -> bool:
        return self.verdict is Verdict.DENY

    @property
    def by(self) -> str:
        return "filter_default" if self.rule is None else f"filters[{self.rule}]"


NO_FILTERS: Final = FilterSettings()


def decide(settings: FilterSettings, applicant: Applicant) -> Decision:
    for index, rule in enumerate(settings.rules):
        if rule.matches(applicant):
            return Decision(rule.verdict, index)
    return Decision(settings.default, None)


class Filters:
    """Counts how often each rule has decided, and the default. Rules that are still there after a change keep their
    counts, wherever they now stand.
    """

    def __init__(self, settings: FilterSettings = NO_FILTERS) -> None:
        self.settings = settings
        self.decided = ""  # by what it was decided last, for the log
        self._counts: dict[FilterRule | None, int] = {}
        self.reconfigure(settings)

    def reconfigure(self, settings: FilterSettings) -> None:
        self.settings = settings
        self._counts = {rule: self._counts.get(rule, 0) for rule in (*settings.rules, None)}

    def denies(self, applicant: Applicant) -> bool:
        decision = decide(self.settings, applicant)
        self._counts[None if decision.rule is None else self.settings.rules[decision.rule]] += 1
        self.decided = decision.by
        return decision.denied

    @property
    def active(self) -> bool:
        """Whether anybody can be denied, or counted by a rule."""
        return self.settings != NO_FILTERS

    def __iter__(self) -> Iterator[tuple[Decision, FilterRule | None, int]]:
        """Each rule in its order and then the default, with its count."""
        for index, rule in enumerate(self.settings.rules):
            yield Decision(rule.verdict, index), rule, self._counts[rule]
        yield Decision(self.settings.default, None), None, self._counts[None]


def _within(address: IPv4Address | None, prefix: IPv4Network | None) -> bool:
    return prefix is None or (address is not None and address in prefix)


def _is_named(nai: str | None, wanted: str | None) -> bool:
    if wanted is None:
        return True
    if nai is None:
        return False
    wanted, nai = normalised(wanted), normalised(nai)
    if wanted.startswith(ANY_USER):
        return "@" in nai and nai.rpartition("@")[2] == wanted.removeprefix(ANY_USER)
    return nai == wanted
