"""Shared keys: in the file or in one of their own, and never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobileip.control.config.load import examine, load
from mobileip.control.config.problem import Severity
from mobileip.control.security.secret import Secret
from tests.unit.config.texts import FOREIGN, HOME, KEY, MOBILE, Write, problems, replaced


def test_key_does_not_show(write: Write) -> None:
    config = load(write(HOME + replaced(FOREIGN, '"eth1"', '"eth3"')))
    for shown in (repr(config), str(config)):
        assert KEY not in shown
        assert repr(bytes.fromhex(KEY)) not in shown


@pytest.mark.parametrize("key", ["xyz", "0011", "00" * 65, KEY + "0", "ключ"])
def test_bad_key_is_named_but_not_shown(write: Write, key: str) -> None:
    found = problems(write(replaced(MOBILE, KEY, key)))
    assert found.keys() == {"mobile_node.key"}
    assert "8 to 64 bytes as hexadecimal digits" in found["mobile_node.key"]
    assert key not in found["mobile_node.key"]


def test_misspelt_key_is_not_shown(write: Write) -> None:
    found = problems(write(replaced(MOBILE, "key =", "kee =")))
    assert found.keys() == {"mobile_node.key", "mobile_node.kee"}
    assert not any(KEY in text for text in found.values())


@pytest.mark.rfc("5944", "5.1", 3)
@pytest.mark.parametrize(
    "spelling", [KEY, KEY.upper(), ":".join([KEY[:16], KEY[16:]]), f"{KEY[:10]} {KEY[10:]}"]
)
def test_spellings_of_a_key(write: Write, spelling: str) -> None:
    config = load(write(replaced(MOBILE, KEY, spelling)))
    assert config.mobile_node and config.mobile_node.key == Secret(bytes.fromhex(KEY))


KEY_FILE = replaced(MOBILE, f'key = "{KEY}"', 'key_file = "node.key"')


def write_key(tmp_path: Path, content: bytes, mode: int = 0o600) -> Path:
    path = tmp_path / "node.key"
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("content", [KEY.encode(), KEY.encode() + b"\n", b"  " + KEY.encode() + b"\r\n\n"])
def test_key_file(write: Write, tmp_path: Path, content: bytes) -> None:
    write_key(tmp_path, content)
    config, found = examine(write(KEY_FILE))
    assert found == ()
    assert config and config.mobile_node and config.mobile_node.key == Secret(bytes.fromhex(KEY))


def test_key_file_by_absolute_path(write: Write, tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    path = write_key(tmp_path / "keys", KEY.encode())
    assert load(write(replaced(KEY_FILE, '"node.key"', f'"{path}"')))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_key_file_open_to_others(write: Write, tmp_path: Path, mode: int) -> None:
    write_key(tmp_path, KEY.encode(), mode)
    config, found = examine(write(KEY_FILE))
    assert config is not None
    assert [problem.severity for problem in found] == [Severity.WARNING]
    assert f"(mode {mode:04o}): chmod 600" in found[0].text


@pytest.mark.parametrize("content", [b"", b"0011", b"\xff" * 16, b"no key", b"00" * 5000])
def test_key_file_without_a_key(write: Write, tmp_path: Path, content: bytes) -> None:
    write_key(tmp_path, content)
    found = problems(write(KEY_FILE))
    assert found.keys() == {"mobile_node.key_file"}
    assert "must hold 8 to 64 bytes" in found["mobile_node.key_file"]


def test_key_file_missing(write: Write, tmp_path: Path) -> None:
    found = problems(write(KEY_FILE))
    assert found == {"mobile_node.key_file": f"{tmp_path}/node.key cannot be read: No such file or directory"}


def test_key_and_key_file(write: Write, tmp_path: Path) -> None:
    write_key(tmp_path, KEY.encode())
    found = problems(write(replaced(MOBILE, "spi", 'key_file = "node.key"\nspi')))
    assert found == {"mobile_node.key_file": "key and key_file exclude each other: keep one"}
