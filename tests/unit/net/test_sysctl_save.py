"""Saving and restoring, on a directory that stands in for /proc/sys/net/ipv4."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mobileip.control.net.sysctl import Sysctls, isolate
from mobileip.control.ports import ActionError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "ipv4"
    for where, value in (("all", "1"), ("default", "0"), ("eth0", "2"), ("mip0", "1")):
        (root / "conf" / where).mkdir(parents=True)
        (root / "conf" / where / "rp_filter").write_text(value + "\n")
    return root


def test_original_value_survives_a_killed_run(root: Path, tmp_path: Path) -> None:
    saved = tmp_path / "state" / "sysctl.json"
    Sysctls(saved, root).set("conf/eth0/rp_filter", 0)
    second = Sysctls(saved, root)
    second.set("conf/eth0/rp_filter", 1)
    assert second.restore() == []
    assert second.get("conf/eth0/rp_filter") == "2"
    assert not saved.exists()


def test_setting_to_the_present_value_leaves_no_trace(root: Path, tmp_path: Path) -> None:
    saved = tmp_path / "sysctl.json"
    Sysctls(saved, root).set("conf/eth0/rp_filter", "2")
    assert not saved.exists()


def test_forget_puts_one_back(root: Path) -> None:
    sysctls = Sysctls(None, root)
    sysctls.set("conf/eth0/rp_filter", 0)
    sysctls.set("conf/mip0/rp_filter", 0)
    sysctls.forget("conf/eth0/rp_filter")
    sysctls.forget("conf/eth0/rp_filter")
    assert (sysctls.get("conf/eth0/rp_filter"), sysctls.get("conf/mip0/rp_filter")) == ("2", "0")


def test_saved_values_of_another_boot_mean_nothing(root: Path, tmp_path: Path) -> None:
    saved = tmp_path / "sysctl.json"
    saved.write_text(json.dumps({"boot": "another", "old": {"conf/eth0/rp_filter": "9"}}))
    assert Sysctls(saved, root).restore() == []
    assert Sysctls(None, root).get("conf/eth0/rp_filter") == "2"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"old": {}}'])
def test_unreadable_save_file_is_one_sentence(root: Path, tmp_path: Path, text: str) -> None:
    saved = tmp_path / "sysctl.json"
    saved.write_text(text)
    with pytest.raises(
        ActionError, match=r"^cannot read the saved kernel settings in .*; look at it, then remove it$"
    ):
        Sysctls(saved, root)


def test_missing_setting_and_refused_write(root: Path) -> None:
    sysctls = Sysctls(None, root)
    with pytest.raises(ActionError, match=r"cannot set net/ipv4/conf/eth9/rp_filter to 0: No such file"):
        sysctls.set("conf/eth9/rp_filter", 0)
    (root / "conf/eth0/rp_filter").unlink()
    (root / "conf/eth0/rp_filter").symlink_to("/proc/version")
    with pytest.raises(ActionError, match="cannot set net/ipv4/conf/eth0/rp_filter to 0: "):
        sysctls.set("conf/eth0/rp_filter", 0)


def test_everything_is_remembered_before_anything_is_written(root: Path, tmp_path: Path) -> None:
    saved = tmp_path / "sysctl.json"
    (root / "conf/mip0/rp_filter").unlink()
    (root / "conf/mip0/rp_filter").symlink_to("/proc/version")  # cannot be written
    with pytest.raises(ActionError):
        Sysctls(saved, root).apply({"conf/mip0/rp_filter": "0", "conf/eth0/rp_filter": "0"})
    assert json.loads(saved.read_text())["old"]["conf/eth0/rp_filter"] == "2"
    assert Sysctls(None, root).get("conf/eth0/rp_filter") == "2"


def test_isolate_gives_others_what_was_effective(root: Path) -> None:
    needs = isolate(Sysctls(None, root), "rp_filter", {"mip0": 0}, root)
    assert needs == {
        "conf/default/rp_filter": "1",
        "conf/eth0/rp_filter": "2",
        "conf/mip0/rp_filter": "0",
        "conf/all/rp_filter": "0",
    }
    assert list(needs)[-1] == "conf/all/rp_filter"


def test_isolate_with_nothing_set_everywhere_touches_only_the_wanted(root: Path) -> None:
    (root / "conf/all/rp_filter").write_text("0")
    assert isolate(Sysctls(None, root), "rp_filter", {"mip0": 0}, root) == {"conf/mip0/rp_filter": "0"}
