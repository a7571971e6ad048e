"""What daemons keep in files, after somebody or a bad disk has changed it: accepted timestamps and sealed keys."""

from __future__ import annotations

import json
import os
import struct
import tempfile
from contextlib import closing
from functools import cache
from ipaddress import IPv4Address
from mmap import PAGESIZE
from pathlib import Path
from unittest.mock import patch

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from mobileip.control.aaa import sealed
from mobileip.control.aaa.sealed import KeyDirectory, KeyFileError, SealedKey
from mobileip.control.agent.accepted import AcceptedTimestamps
from mobileip.control.ports import ActionError
from mobileip.control.reasons import Reason
from mobileip.control.security import MobilitySecurityAssociation, Secret
from mobileip.control.types import Spi
from tests.fuzz.target import Target

_PLACE = tempfile.TemporaryDirectory(
    prefix="mobileip-fuzz-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None
)

# ---- accepted timestamps

_NEW = {
    IPv4Address("10.1.0.5"): 1 << 63,
    IPv4Address("255.255.255.255"): 5,
    IPv4Address("0.0.0.0"): (1 << 64) - 1,
}


def accepted(data: bytes) -> None:
    """A file is refused in one sentence, or what is written to it is there when it is opened again."""
    file = Path(_PLACE.name) / "home.accepted"
    for size in (len(data), len(data) + -len(data) % PAGESIZE):
        file.write_bytes(data.ljust(size, b"\0"))
        try:
            opened = AcceptedTimestamps(file, _no_note)
        except ActionError as error:
            assert str(error).isprintable() and file.read_bytes() == data.ljust(size, b"\0")
            continue
        with closing(opened):
            assert all(0 <= address < 1 << 32 and 0 <= stamp < 1 << 64 for address, stamp in opened.items())
            for address, stamp in _NEW.items():
                opened[int(address)] = stamp
            expected = dict(opened)
        with closing(AcceptedTimestamps(file, _no_note)) as again:
            assert dict(again) == expected


def _no_note(reason: Reason, _fields: object) -> None:
    raise AssertionError(reason)


def _timestamps() -> dict[str, bytes]:
    head, used = struct.pack("=QQ", 0x6D69_7073_7461_6D70, 1), 1 << 63
    pairs = [(used | int(address), stamp) for address, stamp in _NEW.items()]
    return {
        "nothing": b"",
        "a head": head,
        "some": head + b"".join(struct.pack("=QQ", *pair) for pair in pairs),
        "one twice": head + b"".join(struct.pack("=QQ", *pair) for pair in (pairs[0], pairs[1], pairs[0])),
        "full": head + struct.pack("=QQ", *pairs[0]) + struct.pack("=QQ", used | 7, 7) * 254,
    }


# ---- sealed keys

_PEER = IPv4Address("10.1.0.5")
_MASTER = b"9f3c2ab1740de65588c0134fa7b29e61"
_KEY = b"0123456789abcdef"


def sealed_keys(data: bytes) -> None:
    """As the seal, the key file, what is sealed in that, and the master key: keys, or one sentence without any."""
    directory, master = _directory()
    for path, content in (
        (directory / "seal", data),
        (directory / f"{_PEER}.key", data),
        (directory / f"{_PEER}.key", _sealed(data)),
        (master, data),
    ):
        before = path.read_bytes()
        path.write_bytes(content)
        try:
            _read(directory, master)
        finally:
            path.write_bytes(before)


def _read(directory: Path, master: Path) -> None:
    try:
        with patch.object(sealed, "Scrypt", _quick):
            files = KeyDirectory(directory, master)
        for keys in (files.get(_PEER), *(keys for _, keys in files.all())):
            for key in keys:
                assert key.association.key.reveal() and key.is_valid(key.made) in (True, False)
    except KeyFileError as error:
        assert str(error).isprintable()
        assert _KEY.hex() not in str(error) and _MASTER.decode() not in str(error)


def _quick(**given: int) -> Scrypt:
    """As quick as it can be: what it costs is no matter here."""
    return Scrypt(**{**given, "n": 2})  # type: ignore[arg-type]


@cache
def _directory() -> tuple[Path, Path]:
    place = Path(_PLACE.name)
    (place / "master.key").touch(mode=0o600)
    (place / "master.key").write_bytes(_MASTER)
    one = SealedKey(MobilitySecurityAssociation(Spi(1000), Secret(_KEY)), 1_700_000_000)
    with patch.object(sealed, "Scrypt", _quick):
        KeyDirectory.create(place / "keys", place / "master.key").put(_PEER, (one,))
    return place / "keys", place / "master.key"


def _sealed(content: bytes) -> bytes:
    """As if who has the master key had written it, with another version of this program."""
    magic, nonce = b"mobileip-key\x01", bytes(12)
    seal = (_directory()[0] / "seal").read_bytes()
    salt = seal[len(b"mobileip-seal\x01") :][:16]
    root = _quick(salt=salt, length=32, n=2, r=8, p=1).derive(_MASTER)  # type: ignore[arg-type]
    return magic + nonce + AESGCM(root).encrypt(nonce, content, magic + f"{_PEER}.key".encode())


def _files() -> dict[str, bytes]:
    directory, master = _directory()
    key: dict[str, object] = {
        "spi": 256,
        "spi_out": None,
        "key": _KEY.hex(),
        "algorithm": "hmac-md5",
        "replay": "nonces",
        "replay_tolerance": 7.0,
        "made": 1_700_000_000,
        "until": 1_700_000_001,
    }
    many = {"peer": str(_PEER), "keys": [key, key | {"until": None, "spi_out": 300}]}
    return {
        "seal": (directory / "seal").read_bytes(),
        "key file": (directory / f"{_PEER}.key").read_bytes(),
        "master": master.read_bytes(),
        "content": json.dumps({"peer": str(_PEER), "keys": [key]}).encode(),
        "more content": json.dumps(many).encode(),
    }


_WORDS = (b"1e999", b"-1e999", b"NaN", b"null", b"[]", b"{}", b'"spi"', b'"keys"', b'"until"', b"[" * 20)

TARGETS = {
    "accepted": Target(accepted, _timestamps, (struct.pack("=Q", 1 << 63),), longest=4200),
    "sealed": Target(sealed_keys, _files, _WORDS, longest=1200),
}
