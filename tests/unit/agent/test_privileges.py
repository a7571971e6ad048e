"""Giving up capabilities: for good, by every thread that is started later, and said if it cannot be."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from mobileip.control.agent import privileges
from mobileip.control.agent.privileges import Capability, needed
from mobileip.control.ports import ActionError

_PROGRAM = """
import ctypes, threading
from mobileip.control.agent import privileges
before = privileges.of_process()
left = privileges.keep(privileges.needed(programs=False))
assert left == frozenset(n for n in (12, 13) if before["CapPrm"] >> n & 1), left
thread, there = threading.Event(), threading.Event()
threading.Thread(target=lambda: (there.set(), thread.wait()), daemon=True).start()
there.wait()
after = privileges.of_process()
for name in ("CapPrm", "CapEff"):
    assert after[name] == sum(1 << n for n in left), (name, hex(after[name]))
assert (after["CapInh"], after["CapAmb"], after["NoNewPrivs"]) == (0, 0, 1), after
assert before["CapPrm"] >> 8 & 1 == 0 or after["CapBnd"] == 0
thread.set()
"""


def test_what_is_given_up_is_gone_for_later_threads_too() -> None:
    subprocess.run([sys.executable, "-c", _PROGRAM], check=True, timeout=60)


def test_it_has_to_be_done_before_threads_are_started() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        with pytest.raises(ActionError, match="threads run already"):
            privileges.keep(needed(programs=False))
    finally:
        done.set()
        thread.join()


def test_programs_on_interfaces_need_more() -> None:
    assert needed(programs=True) - needed(programs=False) == {Capability.BPF, Capability.IPC_LOCK}
