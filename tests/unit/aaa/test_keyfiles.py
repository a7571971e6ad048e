"""Sealed key files as a source: whose keys are found, which are still good, for how long."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from mobileip.control.aaa.keyfiles import LIFETIME, KeyFiles
from mobileip.control.aaa.sealed import KeyDirectory, KeyFileError
from mobileip.control.aaa.sources import Answer, Found, Unavailable, Unknown
from tests.unit.aaa.test_sealed import ONE, OTHER, PEER, key_file, quick_scrypt

__all__ = ["quick_scrypt"]

NOW = 1_800_000_000.0
NEXT = replace(OTHER, until=None)


class Files:
    """A source, and the directory it reads."""

    def __init__(self, path: Path) -> None:
        master = key_file(path / "master.key")
        self.directory = KeyDirectory.create(path / "keys", master)
        self.now = NOW
        self.source = KeyFiles(path / "keys", master, lambda: self.now)

    def find(self, peer: IPv4Address | str) -> Answer:
        return asyncio.run(self.source.find(peer, ONE.association.spi))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_keys_are_found_and_changes_are_seen_at_once(files: Files) -> None:
    assert files.find(PEER) == Unknown()
    files.directory.put(PEER, (ONE,))
    assert files.find(PEER) == Found((ONE.association,), LIFETIME)
    files.directory.put(PEER, (NEXT, ONE))
    assert files.find(PEER) == Found((NEXT.association, ONE.association), LIFETIME)
    files.directory.put(PEER, ())
    assert files.find(PEER) == Unknown()
    asyncio.run(files.source.close())


def test_a_key_ends_when_it_is_to_end(files: Files) -> None:
    files.directory.put(PEER, (NEXT, replace(ONE, until=int(NOW) + 10)))
    assert files.find(PEER) == Found((NEXT.association, ONE.association), 10.0)
    files.now += 10
    assert files.find(PEER) == Found((NEXT.association,), LIFETIME)
    files.directory.put(PEER, (OTHER,))  # which ended long ago
    assert files.find(PEER) == Unknown()


def test_a_user_has_the_realms_key_unless_it_has_one_of_its_own(files: Files) -> None:
    files.directory.put("*@example.net", (ONE,))
    assert files.find("user@example.net") == Found((ONE.association,), LIFETIME)
    assert files.find("user@example.com") == files.find("user") == Unknown()
    files.directory.put("user@example.net", (NEXT,))
    assert files.find("user@example.net") == Found((NEXT.association,), LIFETIME)


def test_a_name_that_looks_like_an_address_is_nobody(files: Files) -> None:
    files.directory.put(PEER, (ONE,))
    assert files.find(str(PEER)) == Unknown()


def test_a_damaged_file_says_nothing_about_the_peer(files: Files, tmp_path: Path) -> None:
    (tmp_path / "keys" / f"{PEER}.key").write_bytes(
        b"mobileip-key\x01 and then nonsense, as much as a tag needs"
    )
    answer = files.find(PEER)
    assert isinstance(answer, Unavailable) and "does not open: it was damaged" in answer.why


def test_it_does_not_begin_without_keys(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="no sealed keys yet"):
        KeyFiles(tmp_path / "keys", key_file(tmp_path / "master.key"), lambda: NOW)
