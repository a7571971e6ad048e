"""All targets by name."""

from __future__ import annotations

from typing import Final

from tests.fuzz import aaa, files, foreign, home, messages, mobile, sockets, stored, tunnels
from tests.fuzz.target import Target

TARGETS: Final[dict[str, Target]] = {
    **messages.TARGETS,
    **tunnels.TARGETS,
    **aaa.TARGETS,
    **files.TARGETS,
    **stored.TARGETS,
    **sockets.TARGETS,
    **foreign.TARGETS,
    **home.TARGETS,
    **mobile.TARGETS,
}
