"""``python -m tests.fuzz TARGET --runs N``: coverage-guided with atheris where it is there, else by chance.

The corpus grows in build/fuzz/TARGET; an input that breaks the target is left there as crash-….
"""

from __future__ import annotations

import argparse
import importlib
import random
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from types import ModuleType

from tests.fuzz.mutation import mutations
from tests.fuzz.target import Target, found

BUILD = Path(__file__).parents[2] / "build/fuzz"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", nargs="?", default="", help="or a file that broke one: TARGET/crash-...")
    parser.add_argument("--list", action="store_true", help="print the names of the targets")
    parser.add_argument("--runs", type=int, default=0, help="executions at most")
    parser.add_argument("--seconds", type=int, default=0, help="seconds at most")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(31))
    parser.add_argument("--blind", action="store_true", help="without atheris")
    asked = parser.parse_args()
    again = Path(asked.target)
    plain = asked.blind or asked.list or again.is_file()
    atheris = None if plain else _atheris()
    with _instrumented(atheris):
        targets: dict[str, Target] = importlib.import_module("tests.fuzz.targets").TARGETS
    if asked.list:
        print(*targets)
        return 0
    if again.is_file():
        targets[again.parent.name].run(again.read_bytes())
        return 0
    if asked.target not in targets:
        parser.error(f"no target {asked.target!r}; there are: {', '.join(targets)}")
    if not asked.runs and not asked.seconds:
        asked.runs = 100_000
    target, place = targets[asked.target], BUILD / asked.target
    corpus = _corpus(asked.target, target, place)
    print(f"{asked.target}: {len(corpus)} inputs to begin with, seed {asked.seed}", flush=True)
    if atheris is None:
        return _by_chance(target, corpus, asked, place)
    return _guided(atheris, target, asked, place)


def _atheris() -> ModuleType | None:
    try:
        return importlib.import_module("atheris")
    except ImportError:
        print("atheris is not installed here (pip install atheris): mutating by chance, without coverage")
        return None


@contextmanager
def _instrumented(atheris: ModuleType | None) -> Iterator[None]:
    if atheris is None:
        yield
    else:
        with atheris.instrument_imports(include=["mobileip.control"]):
            yield


def _corpus(name: str, target: Target, place: Path) -> list[bytes]:
    """The seeds as small named files, what once broke the target, and what earlier runs found."""
    (place / "corpus").mkdir(parents=True, exist_ok=True)
    for title, data in (dict(target.seeds()) | found(name)).items():
        (place / "corpus" / re.sub(r"[^a-z0-9.-]+", "-", title.lower())[:80]).write_bytes(data)
    return [path.read_bytes() for path in sorted((place / "corpus").iterdir())]


def _by_chance(target: Target, corpus: list[bytes], asked: argparse.Namespace, place: Path) -> int:
    end = time.monotonic() + (asked.seconds or float("inf"))
    made = chain(corpus, mutations(corpus, random.Random(asked.seed), target.longest))
    for run, data in enumerate(made):
        if (asked.runs and run >= asked.runs) or time.monotonic() > end:
            break
        try:
            target.run(data)
        except BaseException:
            (place / f"crash-{run}").write_bytes(data)
            print(f"broken by {place}/crash-{run}: repeat with that as TARGET")
            raise
    print(f"{run} executions")
    return 0


def _guided(atheris: ModuleType, target: Target, asked: argparse.Namespace, place: Path) -> int:
    """libFuzzer ends the process itself, with status 77 or 1 when something broke."""
    options = [
        f"-seed={asked.seed}",
        f"-max_len={target.longest}",
        f"-artifact_prefix={place}/",
        "-print_final_stats=1",
        "-timeout=20",
        "-verbosity=0",
    ]
    if asked.runs:
        options.append(f"-atheris_runs={asked.runs}")
    if asked.seconds:
        options.append(f"-max_total_time={asked.seconds}")
    if target.words:
        dictionary = place / "words"
        dictionary.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
        options.append(f"-dict={dictionary}")
    atheris.Setup([sys.argv[0], *options, str(place / "corpus")], target.run)
    atheris.Fuzz()
    return 0


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    sys.exit(main())
