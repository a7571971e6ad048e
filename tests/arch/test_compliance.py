"""The compliance page says what the requirement lists and the markers of the tests give."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_compliance_page_is_true() -> None:
    command = [sys.executable, str(ROOT / "tools/rfc_matrix.py"), "--check"]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stderr
