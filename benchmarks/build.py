"""The C programs of the benchmarks, compiled when their sources are newer."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mobileip.control.lab.namespaces import LabError, require

TREE: Final = Path(__file__).resolve().parents[1]
_OUTPUT: Final = TREE / "build/benchmarks"
_ENDPOINT: Final = Path("benchmarks/throughput/endpoint.c")
_ENGINE: Final = Path("src/dataplane/csrc")
# As setup.py compiles the extension.
_FLAGS: Final = ("-std=gnu11", "-O3", "-g", "-pthread", "-flto", "-fvisibility=hidden")


def packets() -> Path:
    """The program that sends, counts and echoes."""
    return _compile("packets", [TREE / "benchmarks/throughput/packets.c"])


def endpoint(tree: Path = TREE) -> Path:
    """The program that runs the engine of ``tree``, a checkout of this project, alone.

    The tree's own endpoint.c goes with its engine if it has one.
    """
    source = tree / _ENDPOINT
    if not (tree / _ENGINE).is_dir():
        raise LabError(f"{tree} is no checkout of this project: it has no {_ENGINE}")
    name = "endpoint" if tree == TREE else f"endpoint-{tree.name}"
    return _compile(name, [source if source.exists() else TREE / _ENDPOINT], tree / _ENGINE)


def memory() -> Path:
    """The library that works on packets in memory."""
    return _compile("memory.so", [TREE / "benchmarks/memory/memory.c"], TREE / _ENGINE, ("-shared", "-fPIC"))


def _compile(name: str, sources: list[Path], engine: Path | None = None, flags: Sequence[str] = ()) -> Path:
    program, headers = _OUTPUT / name, []
    if engine:
        sources, headers = sources + sorted(engine.glob("*.c")), list(engine.glob("*.h"))
        flags = [*flags, f"-I{engine}"]
    newest = max(file.stat().st_mtime for file in (*sources, *headers))
    if program.exists() and program.stat().st_mtime > newest:
        return program
    program.parent.mkdir(parents=True, exist_ok=True)
    command = [require("gcc", "gcc"), *_FLAGS, *flags, *map(str, sources), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"{name} does not compile:\n{done.stderr}")
    return program
