"""The C programs of the benchmark, compiled when their sources are newer."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from mobileip.control.lab.namespaces import LabError, require

TREE: Final = Path(__file__).resolve().parents[2]
_HERE: Final = Path("benchmarks/throughput")
_ENGINE: Final = Path("src/dataplane/csrc")
_FLAGS: Final = ("-std=gnu11", "-O3", "-g", "-pthread")  # as setup.py compiles the extension


def packets() -> Path:
    """The program that sends, counts and echoes."""
    return _compile(TREE / "build/throughput/packets", [TREE / _HERE / "packets.c"])


def endpoint(tree: Path = TREE) -> Path:
    """The program that runs the engine of ``tree``, a checkout of this project, alone.

    The tree's own endpoint.c goes with its engine if it has one.
    """
    source = tree / _HERE / "endpoint.c"
    if not (tree / _ENGINE).is_dir():
        raise LabError(f"{tree} is no checkout of this project: it has no {_ENGINE}")
    name = "endpoint" if tree == TREE else f"endpoint-{tree.name}"
    sources = [
        source if source.exists() else TREE / _HERE / "endpoint.c",
        *sorted((tree / _ENGINE).glob("*.c")),
    ]
    return _compile(TREE / "build/throughput" / name, sources, [tree / _ENGINE])


def _compile(program: Path, sources: list[Path], include: list[Path] | None = None) -> Path:
    headers = [header for directory in include or [] for header in directory.glob("*.h")]
    newest = max(file.stat().st_mtime for file in (*sources, *headers))
    if program.exists() and program.stat().st_mtime > newest:
        return program
    program.parent.mkdir(parents=True, exist_ok=True)
    command = [require("gcc", "gcc"), *_FLAGS, *(f"-I{directory}" for directory in include or [])]
    done = subprocess.run(
        [*command, *map(str, sources), "-o", str(program)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise LabError(f"{program.name} does not compile:\n{done.stderr}")
    return program
