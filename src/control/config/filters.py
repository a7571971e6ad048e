"""Registration filters as they stand in the configuration file: ordered tables, the first that matches decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from pydantic import Field

from mobileip.control.config.problem import Problem, Severity
from mobileip.control.config.table import Table
from mobileip.control.config.values import AddressOrNetwork, FilterAction, InterfaceName, Nai

_ACTION: Final = 'allow or deny: what is done with those who match, such as action = "deny"'


class FilterConfig(Table):
    """What both agents can tell registrations apart by. Conditions that are left out hold for everybody."""

    action: FilterAction = Field(description=_ACTION)
    home_address: AddressOrNetwork | None = None
    """The node's home address, or a prefix of home addresses."""
    nai: Nai | None = None
    """The node's name, or "*@example.net" for every user of that realm."""
    care_of_address: AddressOrNetwork | None = None
    """The care-of address that is asked for, or its prefix."""
    interface: InterfaceName | None = None
    """The interface that the request comes in by."""

    def __str__(self) -> str:
        """In one line, for the log of a reload."""
        conditions = self.model_dump(exclude={"action"}, exclude_none=True)
        return " ".join([self.action, *(f"{name}={value}" for name, value in conditions.items())])

    @property
    def conditions(self) -> dict[str, Any]:
        return self.model_dump(exclude={"action"})


class HomeFilterConfig(FilterConfig):
    """A rule of who may register here and from where; the first that matches decides, others are denied or not by
    ``filter_default`` (code 129). Only authenticated requests are asked about, and no deregistrations.
    """

    nai: Nai | None = None
    """The name by which the node is known in ``[[home_agent.nodes]]``, or "*@example.net" for every user of that realm.
    A node that is known by its address has none."""
    foreign_agent: AddressOrNetwork | None = None
    """The address that the foreign agent sends from, or its prefix; what comes from the node itself does not match."""


class ForeignFilterConfig(FilterConfig):
    """A rule of whose registrations are relayed, and to where; the first that matches decides, others are denied or not
    by ``filter_default`` (code 65). What a request says of itself is believed until the home agent has checked it.
    """

    home_address: AddressOrNetwork | None = None
    """The node's home address, or a prefix of home addresses. A node that asks for one is asked about again when it
    has got it."""
    home_agent: AddressOrNetwork | None = None
    """The home agent that the node registers with, or its prefix."""


def check_filters(key: str, rules: Sequence[FilterConfig]) -> Iterator[Problem]:
    """Rules that never decide anything."""
    seen: dict[tuple[object, ...], int] = {}
    for index, rule in enumerate(rules):
        conditions = tuple(rule.conditions.values())
        nothing = (None,) * len(conditions)
        earlier = seen.get(conditions, seen.get(nothing))
        if earlier is not None:
            yield Problem(
                f"{key}[{index}]",
                f"never decides anything: {key}[{earlier}] matches all that it matches",
                Severity.WARNING,
            )
        seen.setdefault(conditions, index)
