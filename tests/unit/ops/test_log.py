"""One line per event; nothing secret, nothing that breaks the line, nothing lost."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any

import pytest

from mobileip.control.ops import log
from mobileip.control.ops.advice import advice
from mobileip.control.ops.counters import Counters
from mobileip.control.ops.plain import plain
from mobileip.control.reasons import Level, Reason, ReplyCode
from mobileip.control.security.secret import Secret
from mobileip.control.types import Endpoint, Identification, Instant, Lifetime, Spi


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    yield io.StringIO()
    log.configure("info", "text")


def text_lines(stream: io.StringIO, reason: Reason, **fields: object) -> str:
    log.configure("debug", "text", stream)
    log.log_noted(reason, fields)
    return stream.getvalue()


def json_line(stream: io.StringIO, reason: Reason, **fields: object) -> dict[str, Any]:
    log.configure("debug", "json", stream)
    log.log_noted(reason, fields)
    (line,) = stream.getvalue().splitlines()
    parsed: dict[str, Any] = json.loads(line)
    return parsed


def test_text_is_one_line_of_fields(stream: io.StringIO) -> None:
    line = text_lines(stream, Reason.REGISTERED, home_address=IPv4Address("10.1.0.5"), lifetime=Lifetime(600))
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z info    registered home_address=10\.1\.0\.5 lifetime=600\n",
        line,
    )


def test_warning_explains_itself(stream: io.StringIO) -> None:
    line = text_lines(stream, Reason.MN_FAILED_AUTHENTICATION, spi=Spi(256))
    assert " warning mn-failed-authentication spi=256 security=true" in line
    assert line.endswith(
        'text="mobile node failed authentication" rfc="5944 s3.8.2.1"'
        ' cure="check that key, spi and algorithm are the same at both ends"\n'
    )


def test_json_has_the_same_fields(stream: io.StringIO) -> None:
    line = json_line(stream, Reason.IDENTIFICATION_MISMATCH, home_address=IPv4Address("10.1.0.5"))
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning",
        "event": "identification-mismatch",
        "home_address": "10.1.0.5",
        "security": True,
        "text": Reason.IDENTIFICATION_MISMATCH.info.text,
        "rfc": "5944 s5.7.1",
        "cure": advice(Reason.IDENTIFICATION_MISMATCH).cure,
    }


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_its_level(stream: io.StringIO, reason: Reason) -> None:
    line = json_line(stream, reason)
    expected = "warning" if reason.info.level is Level.SECURITY else reason.info.level.value
    assert (line["event"], line["level"]) == (reason.label, expected)
    assert line.get("security", False) is (reason.info.level is Level.SECURITY)


@pytest.mark.parametrize("format", ["text", "json"])
def test_level_filters(stream: io.StringIO, format: log.Format) -> None:
    log.configure("warning", format, stream)
    log.log_noted(Reason.REGISTERED, {})
    assert stream.getvalue() == ""
    log.log_noted(Reason.DISCONNECTED, {})
    assert stream.getvalue().count("\n") == 1


@pytest.mark.parametrize("format", ["text", "json"])
def test_secret_stays_secret(stream: io.StringIO, format: log.Format) -> None:
    log.configure("debug", format, stream)
    log.log_noted(
        Reason.REGISTERED, {"key": Secret(b"open sesame"), "deep": {"keys": [Secret(b"open sesame")]}}
    )
    line = stream.getvalue()
    assert "Secret(...)" in line
    assert "open sesame" not in line
    assert b"open sesame".hex() not in line


def test_text_from_outside_cannot_forge_a_line(stream: io.StringIO) -> None:
    hostile = "x\n2026-01-01T00:00:00Z info registered\x1b[2J\x9b\u2028 home_address=10.1.0.5"
    line = text_lines(stream, Reason.DENIED, error=hostile)
    assert line.count("\n") == 1
    assert line.isascii()
    assert "\x1b" not in line


def test_fields_do_not_displace_the_lines_own(stream: io.StringIO) -> None:
    fields: dict[str, object] = {
        "event": 1,
        "level": 2,
        "time": 3,
        "text": 4,
        "rfc": 5,
        "cure": 6,
        "security": 7,
    }
    line = json_line(stream, Reason.ACTION_FAILED, **fields)
    assert (line["event"], line["level"]) == ("action-failed", "error")
    assert {name: line[f"{name}_"] for name in fields} == fields


def test_reader_that_is_gone_does_not_stop_the_daemon() -> None:
    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    log.configure("debug", "text", Gone())
    log.log_noted(Reason.REGISTERED, {})
    log.configure("info", "text")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (IPv4Address("192.0.2.1"), "192.0.2.1"),
        (IPv4Interface("10.1.0.5/24"), "10.1.0.5/24"),
        (Endpoint(IPv4Address("192.0.2.1"), 434), "192.0.2.1:434"),
        (Lifetime(Lifetime.INFINITE), "infinite"),
        (Lifetime(0), 0),
        (Spi(256), 256),
        (bytes.fromhex("020000000001"), "02:00:00:00:00:01"),
        (b"\x01\xff", "01ff"),
        (Identification(0xE0000000, 1), "e0000000.00000001"),
        (ReplyCode.HA_PROHIBITED, 129),
        (Level.DEBUG, "debug"),
        (Reason.REGISTERED, "registered"),
        (Path("/run"), "/run"),
        (OSError(1, "denied"), "[Errno 1] denied"),
        (Instant(1, 2), {"mono": 1, "wall": 2}),
        ((1, None, True, 0.5), [1, None, True, 0.5]),
    ],
)
def test_plain(value: object, expected: object) -> None:
    result = plain(value)
    assert result == expected
    assert json.loads(json.dumps(result)) == expected


def test_plain_refuses_what_it_does_not_know() -> None:
    with pytest.raises(TypeError, match="object has no plain form"):
        plain({"thing": object()})


def test_counters() -> None:
    counters = Counters()
    counters.note(Reason.REGISTERED)
    counters.note(Reason.REGISTERED)
    counters.add("control-requests", 3)
    snapshot = counters.snapshot()
    assert counters[Reason.REGISTERED] == 2
    assert snapshot["reasons"] == {reason.label: 2 if reason is Reason.REGISTERED else 0 for reason in Reason}
    assert snapshot["control_plane"] == {"control-requests": 3}
