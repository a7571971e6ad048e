"""Habits of the tree that no linter knows."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE_SUFFIXES = {".py", ".pyi", ".pyx", ".pxi", ".pxd", ".c", ".h", ".sh"}
MACHINE_PATH = re.compile(r"(?<![\w.}])/(?:work|root|tmp|home/\w+|opt/(?:pypi|wheels))(?:/|\b)")
REGISTRY_HOST = re.compile(r"pypi\.org|pythonhosted\.org|deb\.debian\.org|registry\.npmjs")
KEBAB_CASE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


def tree() -> list[Path]:
    """Files that are or would be committed."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = [ROOT / name for name in listed.split("\0") if name]
    return [path for path in paths if path.is_file() and not path.is_symlink()]


TREE = tree()
SOURCES = [path for path in TREE if path.suffix in SOURCE_SUFFIXES or path.name in ("Makefile", "run")]


def test_the_tree_is_not_empty() -> None:
    assert Path(__file__) in SOURCES


@pytest.mark.parametrize("pattern", [MACHINE_PATH, REGISTRY_HOST], ids=["machine-path", "registry-host"])
def test_no_trace_of_the_machine_it_was_written_on(pattern: re.Pattern[str]) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in SOURCES
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if pattern.search(line)
    ]
    assert not found, "\n".join(found)


def test_patterns_see_what_they_look_for() -> None:
    for name in ("work", "root", "tmp"):
        assert MACHINE_PATH.search(f"open('/{name}/x')")
    assert not MACHINE_PATH.search("tests/work/x and net.root/tmp")


def test_files_can_be_read_in_one_sitting() -> None:
    lengths = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in SOURCES}
    assert not {path: length for path, length in lengths.items() if length > 500}


def test_nothing_compiled_is_committed() -> None:
    assert not [path.relative_to(ROOT) for path in TREE if path.read_bytes().startswith(b"\x7fELF")]


def test_c_core_knows_nothing_of_python() -> None:
    core = [path for path in SOURCES if path.parent.name == "csrc"]
    assert core
    for path in core:
        assert "Python.h" not in path.read_text(), path


def test_every_refusal_and_drop_has_its_own_name() -> None:
    """A name is a log key, a counter and a metric label: two meanings under one name cannot be told apart."""
    from mobileip.control.reasons import Reason
    from mobileip.dataplane import DropReason

    # __members__ and not the enum: a second member with the same value would be an alias of the first.
    names = [reason.label for reason in Reason.__members__.values()]
    names += [drop.label for drop in DropReason.__members__.values()]
    assert not [name for name, times in Counter(names).items() if times > 1]
    assert not [name for name in names if not KEBAB_CASE.fullmatch(name)]
