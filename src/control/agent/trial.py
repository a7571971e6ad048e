"""What registration filters say of somebody who is not there: ``mobileip filter test``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from ipaddress import IPv4Address
from typing import Any

from mobileip.control.agent import settings
from mobileip.control.config.model import Config, ForeignAgentConfig, HomeAgentConfig
from mobileip.control.core.filters import Applicant, decide
from mobileip.control.ops.control_socket import ControlError
from mobileip.control.reasons import Reason

Row = dict[str, Any]


def trial(config: Config, applicant: Applicant) -> list[Row]:
    """The decision of each agent in ``config``, with the rule that makes it. Nothing is counted.

    :raises ControlError: there is none.
    """
    rows = [_row(role, agent, applicant) for role, agent in _agents(config)]
    if not rows:
        raise ControlError("a mobile node has no filters; home agents and foreign agents have")
    return rows


def applicant(arguments: Mapping[str, object]) -> Applicant:
    """From texts by the names of the fields of :class:`Applicant`; :class:`ControlError` names the wrong one."""
    known = {field.name for field in fields(Applicant)}
    values: dict[str, Any] = {name: value for name, value in arguments.items() if value is not None}
    for name, value in values.items():
        if name not in known or not isinstance(value, str):
            raise ControlError(
                f"{name} {value!r} is nothing that a filter looks at: {', '.join(sorted(known))}"
            )
        if name not in ("nai", "interface"):
            try:
                values[name] = IPv4Address(value)
            except ValueError:
                raise ControlError(f"{name} {value!r} is no IPv4 address") from None
    return Applicant(**{"interface": "", **values})


def _agents(config: Config) -> Iterator[tuple[str, HomeAgentConfig | ForeignAgentConfig]]:
    if config.home_agent is not None:
        yield "home_agent", config.home_agent
    if config.foreign_agent is not None:
        yield "foreign_agent", config.foreign_agent


def _row(role: str, agent: HomeAgentConfig | ForeignAgentConfig, asked: Applicant) -> Row:
    decision = decide(settings.filters(agent), asked)
    reason = Reason.HA_FILTERED if role == "home_agent" else Reason.FA_FILTERED
    return {
        "role": role,
        "verdict": decision.verdict,
        "rule": f"{role}.{decision.by}",
        "text": "" if decision.rule is None else str(agent.filters[decision.rule]),
        "code": int(reason.info.code or 0) if decision.denied else None,
    }
