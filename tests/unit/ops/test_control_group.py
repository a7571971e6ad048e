"""The group of a control socket: given by its name, and refused in a sentence."""

from __future__ import annotations

import asyncio
import grp
import os
import stat
from pathlib import Path

import pytest

from mobileip.control.ops.control_socket import ControlError, ControlServer


def test_the_socket_is_its_groups(tmp_path: Path) -> None:
    group = grp.getgrgid(os.getgroups()[-1] if os.getgroups() else os.getgid())
    path = tmp_path / "socket"

    async def serve() -> os.stat_result:
        async with ControlServer(path, {}, group.gr_name):
            return path.stat()

    about = asyncio.run(serve())
    assert (about.st_gid, stat.S_IMODE(about.st_mode)) == (group.gr_gid, 0o660)


def test_a_group_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "socket"

    async def serve() -> None:
        async with ControlServer(path, {}, "no-such-group"):
            pass

    with pytest.raises(
        ControlError, match="there is no group no-such-group; addgroup --system no-such-group"
    ):
        asyncio.run(serve())
    assert list(tmp_path.iterdir()) == []
