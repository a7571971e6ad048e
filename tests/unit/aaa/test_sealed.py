"""Sealed key files: what is kept, who opens it, and what each fault is called."""

from __future__ import annotations

import fcntl
import os
import stat
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from mobileip.control.aaa import sealed
from mobileip.control.aaa.sealed import KeyDirectory, KeyFileError, SealedKey
from mobileip.control.security import Algorithm, MobilitySecurityAssociation, ReplayMethod, Secret
from mobileip.control.types import Spi

PEER = IPv4Address("192.0.2.10")
SECRET = b"0123456789abcdef"
ONE = SealedKey(MobilitySecurityAssociation(Spi(1000), Secret(SECRET)), 1_700_000_000)
OTHER = SealedKey(
    MobilitySecurityAssociation(
        Spi(1001), Secret(b"fedcba9876543210"), Algorithm.KEYED_MD5, 20.0, ReplayMethod.NONCES, Spi(2000)
    ),
    1_700_000_001,
    1_700_000_002,
)
NAMES = ["user@example.net", "*@example.net", "a/../b@example.net", "ü ß@example.net", "x" * 250, ".@a"]


@pytest.fixture(autouse=True)
def quick_scrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    """As quick as it can be: what it costs is no matter here."""
    monkeypatch.setattr(sealed, "Scrypt", lambda **given: Scrypt(**given | {"n": 2}))


@pytest.fixture
def master(tmp_path: Path) -> Path:
    return key_file(tmp_path / "master.key")


def key_file(path: Path, content: bytes = b"9f3c2ab1740de65588c0134fa7b29e61\n", mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.fixture
def directory(tmp_path: Path, master: Path) -> KeyDirectory:
    return KeyDirectory.create(tmp_path / "keys", master)


def test_what_is_sealed_comes_back_also_after_opening_anew(
    directory: KeyDirectory, tmp_path: Path, master: Path
) -> None:
    directory.put(PEER, (ONE, OTHER))
    assert directory.get(PEER) == (ONE, OTHER)
    assert KeyDirectory(tmp_path / "keys", master).get(PEER) == (ONE, OTHER)
    directory.put(PEER, (OTHER,))
    assert directory.get(PEER) == (OTHER,)
    directory.put(PEER, ())
    assert directory.get(PEER) == () and list(directory.all()) == []
    directory.put(PEER, ())  # nothing to remove is no fault


@pytest.mark.parametrize("name", NAMES)
def test_names_of_every_kind_have_a_file_in_the_directory(
    directory: KeyDirectory, tmp_path: Path, name: str
) -> None:
    directory.put(name, (ONE,))
    assert directory.get(name) == (ONE,)
    assert list(directory.all()) == [(name, (ONE,))]
    assert len(list((tmp_path / "keys").glob("*.key"))) == 1 and len(list(tmp_path.iterdir())) == 2


def test_names_are_compared_as_everywhere(directory: KeyDirectory) -> None:
    directory.put("User@Example.NET", (ONE,))
    assert directory.get("User@example.net") == (ONE,) and directory.get("user@example.net") == ()


def test_no_key_is_in_a_file_nor_shown(directory: KeyDirectory, tmp_path: Path) -> None:
    directory.put(PEER, (ONE,))
    for path in (tmp_path / "keys").iterdir():
        content = path.read_bytes()
        assert SECRET not in content and SECRET.hex().encode() not in content
    assert SECRET.decode() not in repr((ONE, directory)) and SECRET.hex() not in repr((ONE, directory))


def test_the_same_keys_are_sealed_differently_each_time(directory: KeyDirectory, tmp_path: Path) -> None:
    path = tmp_path / "keys" / f"{PEER}.key"
    contents = set()
    for _ in range(3):
        directory.put(PEER, (ONE,))
        contents.add(path.read_bytes())
    assert len(contents) == 3


def test_files_are_for_their_owner_only(directory: KeyDirectory, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        directory.put(PEER, (ONE,))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").iterdir()} == {0o600}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes for another user")
def test_what_root_writes_is_the_directorys_owners(directory: KeyDirectory, tmp_path: Path) -> None:
    os.chown(tmp_path / "keys", 12345, 54321)
    directory.put(PEER, (ONE,))
    written = (tmp_path / "keys" / f"{PEER}.key").stat()
    assert (written.st_uid, written.st_gid, stat.S_IMODE(written.st_mode)) == (12345, 54321, 0o600)


def test_a_credential_of_systemd_may_look_open(
    tmp_path: Path, master: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its access list for the service's user shows as permissions of the group."""
    master.chmod(0o440)
    with pytest.raises(KeyFileError, match="open to other users"):
        KeyDirectory.create(tmp_path / "keys", master)
    monkeypatch.setattr(sealed, "_CREDENTIALS", tmp_path)
    assert KeyDirectory.create(tmp_path / "keys", master).get(PEER) == ()


def test_a_file_under_another_name_does_not_open(directory: KeyDirectory, tmp_path: Path) -> None:
    directory.put(PEER, (ONE,))
    other = PEER + 1
    (tmp_path / "keys" / f"{PEER}.key").rename(tmp_path / "keys" / f"{other}.key")
    with pytest.raises(KeyFileError, match=r"192\.0\.2\.11\.key does not open: .*another peer"):
        directory.get(other)


def test_a_changed_byte_anywhere_is_found(directory: KeyDirectory, tmp_path: Path) -> None:
    directory.put(PEER, (ONE,))
    path = tmp_path / "keys" / f"{PEER}.key"
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(KeyFileError, match=str(path)):
            directory.get(PEER)
    for length in (0, 5, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(KeyFileError, match=str(path)):
            directory.get(PEER)


def test_another_master_key_is_said_to_be_the_wrong_one(
    directory: KeyDirectory, tmp_path: Path, master: Path
) -> None:
    directory.put(PEER, (ONE,))
    key_file(master, b"another secret that is long enough")
    with pytest.raises(
        KeyFileError, match=r"master key in .*master\.key does not open .*keys: it is not the one"
    ):
        KeyDirectory(tmp_path / "keys", master)


def test_blanks_around_the_master_key_do_not_count(
    directory: KeyDirectory, tmp_path: Path, master: Path
) -> None:
    directory.put(PEER, (ONE,))
    key_file(master, b"  9f3c2ab1740de65588c0134fa7b29e61\r\n\n")
    assert KeyDirectory(tmp_path / "keys", master).get(PEER) == (ONE,)


@pytest.mark.parametrize(
    ("content", "mode", "sentence"),
    [
        (b"9f3c2ab1740de65588c0134fa7b29e61", 0o640, r"open to other users \(mode 0640\): chmod 600"),
        (b"9f3c2ab1740de65588c0134fa7b29e61", 0o604, r"open to other users \(mode 0604\): chmod 600"),
        (b"too short\n", 0o600, "has 9 bytes; a master key has 16 or more"),
        (b"x" * 70_000, 0o600, "too large"),
    ],
)
def test_unusable_master_keys(tmp_path: Path, content: bytes, mode: int, sentence: str) -> None:
    with pytest.raises(KeyFileError, match=sentence):
        KeyDirectory.create(tmp_path / "keys", key_file(tmp_path / "master.key", content, mode))


def test_what_is_missing_is_named_with_what_makes_it(tmp_path: Path, master: Path) -> None:
    with pytest.raises(KeyFileError, match="has no sealed keys yet; make one with mobileip keys generate"):
        KeyDirectory(tmp_path / "keys", master)
    with pytest.raises(KeyFileError, match=r"no\.key is missing; make a master key with: .*openssl rand"):
        KeyDirectory.create(tmp_path / "keys", tmp_path / "no.key")
    with pytest.raises(
        KeyFileError, match=r"master\.key cannot be made: Not a directory|cannot be made: File exists"
    ):
        KeyDirectory.create(master, master)


def test_keys_without_their_seal_are_not_sealed_anew(
    directory: KeyDirectory, tmp_path: Path, master: Path
) -> None:
    directory.put(PEER, (ONE,))
    (tmp_path / "keys" / "seal").rename(tmp_path / "seal")
    with pytest.raises(KeyFileError, match="no file seal, without which none can be opened"):
        KeyDirectory.create(tmp_path / "keys", master)
    with pytest.raises(KeyFileError, match="not there any more"):
        directory.get(PEER + 1)
    (tmp_path / "keys" / "seal").write_bytes(b"mobileip-seal\x02" + bytes(44))
    with pytest.raises(KeyFileError, match="no seal of this version"):
        KeyDirectory(tmp_path / "keys", master)


def test_a_write_that_fails_leaves_what_was_there(
    directory: KeyDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory.put(PEER, (ONE,))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(KeyFileError, match="cannot be written: No space left on device"):
            directory.put(PEER, (OTHER,))
    assert directory.get(PEER) == (ONE,)
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == [f"{PEER}.key", "seal"]


def test_one_process_at_a_time_changes_keys(directory: KeyDirectory, tmp_path: Path) -> None:
    with directory.locked():
        descriptor = os.open(tmp_path / "keys", os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)
