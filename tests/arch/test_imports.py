"""The package is found under its own name only, and its rooms import each other as agreed."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"


def fresh_python(code: str) -> subprocess.CompletedProcess[str]:
    """Runs code in an interpreter as a daemon gets it: no working directory on sys.path, no environment."""
    return subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, cwd="/", env={})


def test_import_contracts_of_pyproject() -> None:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert " 0 broken" in result.stdout


def test_src_is_not_on_the_path() -> None:
    result = fresh_python("import sys; print('\\n'.join(sys.path))")
    for path in [*result.stdout.splitlines(), *sys.path]:
        assert Path(path).resolve() != SRC


@pytest.mark.parametrize("name", ["control", "dataplane"])
def test_rooms_have_no_other_name(name: str) -> None:
    """On the package index these names belong to others; ours must not answer to them."""
    result = fresh_python(f"import {name}")
    assert result.returncode == 1
    assert f"No module named '{name}'" in result.stderr


def test_package_is_this_tree() -> None:
    result = fresh_python("import mobileip; print(mobileip.__file__)")
    assert Path(result.stdout.strip()).resolve() == SRC / "__init__.py", result.stderr
    assert (ROOT / "tools/pkg/mobileip").readlink() == Path("../../src")


def test_every_package_is_seen_by_setuptools() -> None:
    """find_packages passes over a directory without __init__.py: a wheel would lack it."""
    for module in SRC.rglob("*.py"):
        assert (module.parent / "__init__.py").exists(), module.parent


def test_console_script_and_module_start_the_same_program() -> None:
    (script,) = entry_points(group="console_scripts", name="mobileip")
    assert script.value == "mobileip.control.cli.main:main"
    for command in ([Path(sys.executable).with_name("mobileip")], [sys.executable, "-m", "mobileip"]):
        result = subprocess.run([*command, "--help"], capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        assert result.stdout.startswith("Usage: ")
