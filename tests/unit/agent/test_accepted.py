"""The file of accepted timestamps: it outlives its process, whenever that ends, and is nobody else's."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from mobileip.control.agent.accepted import AcceptedTimestamps
from mobileip.control.core.home import HomeAgent
from mobileip.control.ports import ActionError
from mobileip.control.reasons import Reason
from tests.unit.core.factory import request, sent_reply, stamp
from tests.unit.core.homes import SETTINGS, ask

Open = Callable[[], AcceptedTimestamps]


def no_note(reason: Reason, fields: Mapping[str, object]) -> None:
    pytest.fail(f"{reason}: {fields}")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "run" / "home.accepted"


@pytest.fixture
def opened(file: Path) -> Iterator[Open]:
    """Opens it anew, as the next process does; what was open before is not closed first, as after a SIGKILL."""
    alive: list[AcceptedTimestamps] = []

    def again() -> AcceptedTimestamps:
        alive.append(AcceptedTimestamps(file, no_note))
        return alive[-1]

    yield again
    for one in alive:
        one.close()


@pytest.mark.parametrize("seed", range(5))
def test_what_was_set_is_there_after_a_kill_at_any_moment(opened: Open, seed: int) -> None:
    rng, model, accepted = Random(seed), dict[int, int](), opened()
    for _ in range(3000):
        number = rng.choice((rng.randrange(1 << 32), rng.randrange(50)))
        draw = rng.random()
        if draw < 0.9:
            model[number] = accepted[number] = rng.randrange(1 << 64)
        elif draw < 0.99:
            model.pop(number, None)
            accepted.discard(number)
        else:
            accepted = opened()
            assert dict(accepted) == model
    assert dict(opened()) == model


def test_only_root_may_read_it_and_it_stays_small(opened: Open, file: Path) -> None:
    accepted = opened()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for turn in range(20):
        for number in range(200):
            accepted[number] = turn
        for number in range(200):
            accepted.discard(number)
    assert file.stat().st_size == 4096


@pytest.mark.parametrize("content", [b"x" * 4096, b"short", bytes(8192)])
def test_a_file_of_others_is_left_alone(file: Path, content: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    with pytest.raises(ActionError, match="not a file of ours: look at it, then remove it"):
        AcceptedTimestamps(file, no_note)
    assert file.read_bytes() == content


def test_it_follows_no_link_and_says_what_to_do_without_a_place(file: Path) -> None:
    file.parent.mkdir()
    file.symlink_to("/dev/null")
    with pytest.raises(ActionError, match="cannot open"):
        AcceptedTimestamps(file, no_note)
    with pytest.raises(ActionError, match=r"set daemon\.state_directory to one that"):
        AcceptedTimestamps(Path("/proc/none/home.accepted"), no_note)


def test_a_full_disk_is_told_once_and_the_process_remembers_all_the_same(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[Reason, Mapping[str, object]]] = []
    with closing(AcceptedTimestamps(file, lambda reason, fields: told.append((reason, fields)))) as accepted:

        def full(descriptor: int, start: int, length: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "posix_fallocate", full)
        for number in range(600):
            accepted[number] = number
        assert len(accepted) == 600
    assert [reason for reason, _ in told] == [Reason.ACTION_FAILED]
    assert told[0][1]["error"] == "No space left on device"
    with closing(AcceptedTimestamps(file, no_note)) as again:
        assert dict(again) == {number: number for number in range(255)}


@pytest.mark.rfc("5944", "5.7.1", 7)
def test_a_home_agent_that_is_started_again_takes_no_request_twice(opened: Open) -> None:
    """Also one that is ahead of our clock, and also when the clock was set back meanwhile."""
    first = HomeAgent(SETTINGS, opened())
    ahead = request(identification=stamp(6))
    assert sent_reply(ask(first, ahead, 0)).code == 1
    later = request(identification=stamp(100))
    assert sent_reply(ask(first, later, 100)).code == 1

    second = HomeAgent(SETTINGS, opened())
    assert sent_reply(ask(second, ahead, 1)).code == 133
    assert sent_reply(ask(second, later, 100)).code == 133
    assert sent_reply(ask(second, request(identification=stamp(100.1)), 101)).code == 1
