"""The timestamps that a home agent has accepted, kept over its end (RFC 5944 s5.7.1).

Each has to be greater than all before, and a process that is started again knows none of them: what was recorded
just before its end could be repeated until the tolerance has passed, or when a clock that ran ahead was set back. A
floor at the start of the process would not do, since timestamps may be ahead of our clock; one that is high enough
would lock every node out for as long.

The file is memory shared with the kernel, so that a change costs no system call and outlives a SIGKILL: one pair of
words a node, address and timestamp, changed in place. In ``/run`` it ends with the machine, in a directory on disk not.
"""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from mobileip.control.ports import ActionError
from mobileip.control.reasons import Reason

_MAGIC: Final = 0x6D69_7073_7461_6D70  # "mipstamp"
_VERSION: Final = 1
_USED: Final = 1 << 63  # of the word that has the address
_PAIR: Final = 16  # bytes
_FIRST_PAIRS: Final = 256

_CURE: Final = "set daemon.state_directory to one that the daemon may write to"
_OTHERS: Final = "is not a file of ours: look at it, then remove it"

Note = Callable[[Reason, Mapping[str, object]], None]


class AcceptedTimestamps(dict[int, int]):
    """By home address as a number; what is set or taken out is so in the file too.

    ``note`` is told, once, if the file cannot grow: from then on new nodes are remembered only here.

    :raises ActionError: the file cannot be used.
    """

    def __init__(self, file: Path, note: Note) -> None:
        super().__init__()
        self._note: Note | None = note
        self._file: Final = file
        self._places: Final[dict[int, int]] = {}  # by address: which pair
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise ActionError(f"cannot open {file}: {error.strerror}; {_CURE}") from error
        try:
            self._open()
        except OSError as error:
            os.close(self._descriptor)
            raise ActionError(f"cannot keep timestamps in {file}: {error.strerror}; {_CURE}") from error
        except ActionError:
            os.close(self._descriptor)
            raise

    def __setitem__(self, number: int, timestamp: int) -> None:
        place = self._places.get(number)
        if place is not None:
            self._words[2 * place + 1] = timestamp
        elif self._room():
            place = self._places[number] = self._free.pop()
            self._words[2 * place + 1] = timestamp
            self._words[2 * place] = _USED | number  # last: a pair that is half written is free
        super().__setitem__(number, timestamp)

    def discard(self, number: int) -> None:
        """The address is another node's from now on."""
        super().pop(number, None)
        place = self._places.pop(number, None)
        if place is not None:
            self._words[2 * place] = 0
            self._free.append(place)

    def close(self) -> None:
        self._words.release()
        self._map.close()
        os.close(self._descriptor)

    def _open(self) -> None:
        about = os.fstat(self._descriptor)
        if not stat.S_ISREG(about.st_mode) or about.st_size % mmap.PAGESIZE:
            raise ActionError(f"{self._file} {_OTHERS}")
        fresh = about.st_size == 0
        if fresh:
            os.posix_fallocate(self._descriptor, 0, _FIRST_PAIRS * _PAIR)
        self._map = mmap.mmap(self._descriptor, 0)
        self._words = memoryview(self._map).cast("Q")
        if fresh:
            self._words[1], self._words[0] = _VERSION, _MAGIC
        elif (self._words[0], self._words[1]) != (_MAGIC, _VERSION):
            self._words.release()
            self._map.close()
            raise ActionError(f"{self._file} {_OTHERS}")
        self._free: list[int] = []
        for place in range(len(self._words) // 2 - 1, 0, -1):
            word = self._words[2 * place]
            if word & _USED:
                self._places[word & 0xFFFF_FFFF] = place
                super().__setitem__(word & 0xFFFF_FFFF, self._words[2 * place + 1])
            else:
                self._free.append(place)

    def _room(self) -> bool:
        """A free pair; twice as many as before when there is none."""
        if self._free:
            return True
        if self._note is None:
            return False
        pairs = len(self._words) // 2
        try:
            # Allocated, not only made longer: a full disk is an error here, and would be a SIGBUS later.
            os.posix_fallocate(self._descriptor, pairs * _PAIR, pairs * _PAIR)
        except OSError as error:
            note, self._note = self._note, None
            what = f"keep timestamps of more nodes in {self._file}"
            note(Reason.ACTION_FAILED, {"action": what, "error": error.strerror})
            return False
        self._words.release()
        self._map.resize(2 * pairs * _PAIR)
        self._words = memoryview(self._map).cast("Q")
        self._free.extend(range(2 * pairs - 1, pairs - 1, -1))
        return True
