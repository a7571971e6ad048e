"""One line per event on standard error: text for people, JSON for machines.

The name of an event is its reason's label, its fields are the RFC's words. Secrets cannot get in: values go
through :func:`~mobileip.control.ops.plain.plain`, which redacts them.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Literal, TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from mobileip.control.ops.advice import advice
from mobileip.control.ops.plain import Plain, plain
from mobileip.control.reasons import Level, Reason

LevelName = Literal["debug", "info", "warning", "error"]
Format = Literal["text", "json"]

_LEVELS: Final = {
    Level.DEBUG: logging.DEBUG,
    Level.INFO: logging.INFO,
    Level.WARNING: logging.WARNING,
    Level.ERROR: logging.ERROR,
    Level.SECURITY: logging.WARNING,
}
_BARE: Final = re.compile(r"[^\s\"'=\\\x00-\x1f\x7f-\x9f]+")
_LAST: Final = ("text", "rfc", "cure")  # long, so behind the fields
_OWN: Final = ("time", "level", "event")
_RESERVED: Final = frozenset((*_OWN, *_LAST, "security"))


class _Current:
    """What :func:`configure` has made; a process has one log."""

    wanted: frozenset[str]  # labels of the reasons that are logged
    contents: bool
    logger: FilteringBoundLogger


_current = _Current()


def configure(level: LevelName, format: Format, stream: TextIO | None = None) -> None:
    """Log events of ``level`` and above to ``stream`` (default: standard error)."""
    out = stream if stream is not None else sys.stderr
    threshold = logging.getLevelNamesMapping()[level.upper()]
    _current.contents = threshold <= logging.DEBUG
    _current.wanted = frozenset(one.label for one in Reason if _LEVELS[one.info.level] >= threshold)
    _current.logger = structlog.wrap_logger(
        _Lines(out),
        processors=[_stamp, _json if format == "json" else _text],
        wrapper_class=structlog.make_filtering_bound_logger(level),
    ).bind()


def logger() -> FilteringBoundLogger:
    """For what no reason names: ``logger().info("started", roles=[...])``."""
    return _current.logger


def wants(reason: Reason) -> bool:
    """Whether :func:`log_noted` would write a line for ``reason``."""
    return reason.label in _current.wanted


def wants_contents() -> bool:
    """Whether the contents of what is discarded go into the log: at level debug (RFC 5944 s1.7)."""
    return _current.contents


def log_noted(reason: Reason, fields: Mapping[str, object]) -> None:
    """The line for a reason, at its own level; from a warning on with explanation, RFC section and cure."""
    if not wants(reason):
        return
    info = reason.info
    level = _LEVELS[info.level]
    explained: dict[str, object] = {}
    if level >= logging.WARNING:
        explained = {"text": info.text, "rfc": info.section or None, "cure": advice(reason).cure or None}
        if info.level is Level.SECURITY:
            explained["security"] = True
    # A core's field never displaces what the line is about, nor makes the call fail.
    kept = {f"{name}_" if name in _RESERVED else name: value for name, value in fields.items()}
    logger().log(level, reason.label, **kept, **explained)


class _Lines:
    """The end of the chain: writes one line at once, so that lines of several daemons do not mix."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            # Nobody reads our standard error any more. A daemon that forwards packets goes on without a log,
            # and no place is left to say so.
            return

    debug = info = warning = error = critical = exception = msg


def _stamp(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    return {
        "time": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "level": method,
        **event,
    }


def _json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    return json.dumps({name: plain(value) for name, value in event.items() if value is not None})


def _text(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    fields = {name: value for name, value in event.items() if name not in (*_OWN, *_LAST)}
    fields |= {name: event[name] for name in _LAST if name in event}
    words = [str(event["time"]), f"{event['level']:<7}", str(event["event"])]
    words += [f"{name}={_value(plain(value))}" for name, value in fields.items() if value is not None]
    return " ".join(words)


def _value(value: Plain) -> str:
    if isinstance(value, list) and value and not any(isinstance(item, dict | list) for item in value):
        return ",".join(_value(item) for item in value)
    if isinstance(value, str) and _BARE.fullmatch(value):
        return value
    return json.dumps(value, separators=(",", ":"))


configure("info", "text")  # for what happens before a configuration file is read
