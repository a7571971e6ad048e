"""A directory of key files that only a master key opens: one file for each peer (RFC 5944 s5.1, s5.4).

Format, version 1. The root key is scrypt (RFC 7914; N 2**15, r 8, p 1) of the contents of the master key file without
blanks at their ends, salted by the file ``seal``::

    seal        "mobileip-seal" 0x01  salt[16]  nonce[12]  AES-256-GCM of nothing, over the text and the salt
    PEER.key    "mobileip-key" 0x01   nonce[12]  AES-256-GCM of JSON, over the text and the file's own name

So a wrong master key is told from a damaged file, and a file under another peer's name does not open.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Address
from pathlib import Path
from secrets import token_bytes
from typing import Any, Final
from urllib.parse import quote

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from mobileip.control.security import Algorithm, MobilitySecurityAssociation, ReplayMethod, Secret
from mobileip.control.security.peers import normalised
from mobileip.control.types import Spi

_SEAL: Final = "seal"
_SUFFIX: Final = ".key"
_SEAL_MAGIC: Final = b"mobileip-seal\x01"
_KEY_MAGIC: Final = b"mobileip-key\x01"
_SALT: Final = 16  # bytes
_NONCE: Final = 12  # bytes, of AES-GCM
_SHORTEST_MASTER: Final = 16  # bytes
_LARGEST_FILE: Final = 65_536  # bytes
_LONGEST_NAME: Final = 240  # bytes of a file's name, which may be 255 long
_CREDENTIALS: Final = Path("/run/credentials")
"""Where systemd gives a service its credentials: closed to others, though an access list makes the mode look open."""
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class KeyFileError(Exception):
    """The key files cannot be used; the message is one sentence: what is wrong, what to do. It has no key in it."""


@dataclass(frozen=True, slots=True)
class SealedKey:
    """An association of a file; ``made`` and ``until``, after which it is void, in seconds since 1970."""

    association: MobilitySecurityAssociation
    made: int
    until: int | None = None

    def is_valid(self, wall_s: float) -> bool:
        return self.until is None or wall_s < self.until


class KeyDirectory:
    """``directory`` and the master key of ``master`` (a file that only its owner may read).

    :raises KeyFileError: either cannot be used, or they do not belong together.
    """

    def __init__(self, directory: Path, master: Path) -> None:
        """Open a directory that has keys already."""
        self._directory: Final = directory
        try:
            seal = _read(directory / _SEAL)
        except FileNotFoundError:
            raise KeyFileError(
                f"{directory} has no sealed keys yet; make one with mobileip keys generate"
            ) from None
        salt, nonce, check = seal[len(_SEAL_MAGIC) :][:_SALT], *_split(seal, len(_SEAL_MAGIC) + _SALT)
        if not seal.startswith(_SEAL_MAGIC) or not check:
            raise KeyFileError(
                f"{directory / _SEAL} is no seal of this version of mobileip; restore it from a copy"
            )
        self._aead: Final = AESGCM(_root_key(_master(master), salt))
        try:
            self._aead.decrypt(nonce, check, _SEAL_MAGIC + salt)
        except InvalidTag:
            raise KeyFileError(
                f"the master key in {master} does not open {directory}: it is not the one its keys were sealed with"
            ) from None

    @classmethod
    def create(cls, directory: Path, master: Path) -> KeyDirectory:
        """Open the directory, and make it first if it is not there or empty."""
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not (directory / _SEAL).exists():
                if any(directory.glob(f"*{_SUFFIX}")):
                    raise KeyFileError(
                        f"{directory} has key files but no file {_SEAL}, without which none can be opened;"
                        " restore it from a copy"
                    )
                head = _SEAL_MAGIC + (salt := token_bytes(_SALT))
                nonce = token_bytes(_NONCE)
                check = AESGCM(_root_key(_master(master), salt)).encrypt(nonce, b"", head)
                _write(directory / _SEAL, head + nonce + check)
        except OSError as error:
            raise KeyFileError(f"{directory} cannot be made: {error.strerror}") from None
        return cls(directory, master)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """What is read and written inside is not changed by another process meanwhile."""
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def get(self, peer: IPv4Address | str) -> tuple[SealedKey, ...]:
        """The keys of exactly this peer, the newest first; none if it has no file."""
        path = self._directory / _name(peer)
        try:
            content = _read(path)
        except FileNotFoundError:
            if not (self._directory / _SEAL).exists():
                raise KeyFileError(f"{self._directory} is not there any more; mount or restore it") from None
            return ()
        named, keys = self._open(path, content)
        if named != _text(peer):
            raise KeyFileError(
                f"{path} holds the keys of {named!r}; remove it and give {_text(peer)} new ones"
            )
        return keys

    def put(self, peer: IPv4Address | str, keys: tuple[SealedKey, ...]) -> None:
        """Give the peer these keys instead of those it had; without any, its file goes."""
        path = self._directory / _name(peer)
        try:
            if not keys:
                path.unlink(missing_ok=True)
                return
            content = json.dumps({"peer": _text(peer), "keys": [_as_json(key) for key in keys]}).encode()
            nonce = token_bytes(_NONCE)
            sealed = self._aead.encrypt(nonce, content, _KEY_MAGIC + path.name.encode())
            _write(path, _KEY_MAGIC + nonce + sealed)
        except OSError as error:
            raise KeyFileError(f"{path} cannot be written: {error.strerror}") from None

    def all(self) -> Iterator[tuple[str, tuple[SealedKey, ...]]]:
        """Every peer, as text, with its keys."""
        for path in sorted(self._directory.glob(f"*{_SUFFIX}")):
            with suppress(FileNotFoundError):  # removed meanwhile
                yield self._open(path, _read(path))

    def _open(self, path: Path, content: bytes) -> tuple[str, tuple[SealedKey, ...]]:
        nonce, sealed = _split(content, len(_KEY_MAGIC))
        try:
            if not content.startswith(_KEY_MAGIC):
                raise ValueError
            opened = json.loads(self._aead.decrypt(nonce, sealed, _KEY_MAGIC + path.name.encode()))
            return str(opened["peer"]), tuple(map(_from_json, opened["keys"]))
        except InvalidTag:
            raise KeyFileError(
                f"{path} does not open: it was damaged, or is the file of another peer under this name;"
                " restore it, or remove it and give the peer a new key"
            ) from None
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            raise KeyFileError(f"{path} is no key file of this version of mobileip") from None


# ---- the contents


def _as_json(key: SealedKey) -> dict[str, Any]:
    one = key.association
    return {
        "spi": one.spi,
        "spi_out": one.spi_out,
        "key": one.key.reveal().hex(),
        "algorithm": one.algorithm.value,
        "replay": one.replay.value,
        "replay_tolerance": one.replay_tolerance_s,
        "made": key.made,
        "until": key.until,
    }


def _from_json(one: dict[str, Any]) -> SealedKey:
    association = MobilitySecurityAssociation(
        Spi(one["spi"]),
        Secret(bytes.fromhex(one["key"])),
        Algorithm(one["algorithm"]),
        float(one["replay_tolerance"]),
        ReplayMethod(one["replay"]),
        None if one["spi_out"] is None else Spi(one["spi_out"]),
    )
    return SealedKey(association, int(one["made"]), None if one["until"] is None else int(one["until"]))


def _text(peer: IPv4Address | str) -> str:
    return normalised(peer) if isinstance(peer, str) else str(peer)


def _name(peer: IPv4Address | str) -> str:
    """Of the peer's file: the peer, readable where a name can hold it."""
    name = quote(_text(peer), safe="@+")
    if len(name) > _LONGEST_NAME:
        name = sha256(_text(peer).encode()).hexdigest()
    return name + _SUFFIX


# ---- files


def is_credential(path: Path) -> bool:
    """Whether systemd gives ``path`` to its service, and only while that runs."""
    return path.is_relative_to(_CREDENTIALS)


def _root_key(master: bytes, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=2**15, r=8, p=1).derive(master)


def _master(path: Path) -> bytes:
    try:
        content = _read(path)
    except FileNotFoundError:
        raise KeyFileError(
            f"{path} is missing; make a master key with: (umask 077; openssl rand -hex 32 > {path}), and keep a copy"
        ) from None
    mode = path.stat().st_mode
    if mode & _OTHERS and not is_credential(path):
        raise KeyFileError(f"{path} is open to other users (mode {mode & 0o777:04o}): chmod 600 {path}")
    master = content.strip()
    if len(master) < _SHORTEST_MASTER:
        raise KeyFileError(f"{path} has {len(master)} bytes; a master key has {_SHORTEST_MASTER} or more")
    return master


def _read(path: Path) -> bytes:
    """:raises FileNotFoundError: everything else that goes wrong is a :class:`KeyFileError`."""
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > _LARGEST_FILE:
        raise KeyFileError(f"{path} is too large to be a file of keys")
    return content


def _split(content: bytes, at: int) -> tuple[bytes, bytes]:
    """The nonce from ``at``, and what follows it."""
    return content[at : at + _NONCE], content[at + _NONCE :]


def _write(path: Path, content: bytes) -> None:
    """All of it or nothing, also when the power fails: readers see the old file or the new one.

    What root writes is the directory's owner's, as whom the daemon may run.
    """
    owner = path.parent.stat()
    new = path.with_name(f".{path.name[: _LONGEST_NAME - 16]}.{token_bytes(4).hex()}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if os.geteuid() == 0:
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.rename(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
