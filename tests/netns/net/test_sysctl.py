"""Kernel settings in a real kernel: what is set, that others keep theirs, and the way back."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobileip.control.net.sysctl import Sysctls, need_for_agent, need_for_mobile
from tests.netns.net.space import TUNNEL, Pair

pytestmark = pytest.mark.netns

IPV4 = Path("/proc/sys/net/ipv4")
WATCHED = ("rp_filter", "send_redirects", "forwarding", "accept_redirects", "arp_ignore")


def settings() -> dict[str, str]:
    found = {
        f"conf/{where.name}/{name}": (where / name).read_text().strip()
        for where in (IPV4 / "conf").iterdir()
        for name in WATCHED
    }
    found.update(
        {f"{where}/proxy_delay": (where / "proxy_delay").read_text() for where in (IPV4 / "neigh").iterdir()}
    )
    found["ip_forward"] = (IPV4 / "ip_forward").read_text().strip()
    return found


def effective(interface: str, name: str) -> int:
    return max(int((IPV4 / f"conf/{where}/{name}").read_text()) for where in ("all", interface))


@pytest.mark.rfc("5944", "2.1", 5)
@pytest.mark.rfc("5944", "2.3.1", 2)
@pytest.mark.rfc("5944", "4.2.2", 6)
@pytest.mark.parametrize("forwarding", ["0", "1"])
@pytest.mark.parametrize("everywhere", ["0", "1", "2"])
def test_agent_settings_and_their_way_back(
    pair: Pair, tmp_path: Path, everywhere: str, forwarding: str
) -> None:
    pair.add_tunnel_device()
    pair.connect("eth2", "eth3")  # has nothing to do with us
    pair.connect("eth4", "eth5")
    (IPV4 / "ip_forward").write_text(forwarding)
    (IPV4 / "conf/all/accept_redirects").write_text("0")
    (IPV4 / "conf/eth2/forwarding").write_text("1")
    (IPV4 / "conf/all/rp_filter").write_text(everywhere)
    (IPV4 / "conf/eth2/rp_filter").write_text("1")
    (IPV4 / "conf/eth4/rp_filter").write_text("0")
    (IPV4 / "conf/eth2/send_redirects").write_text("0")
    before = settings()
    others = {
        name: (effective(name, "rp_filter"), effective(name, "send_redirects")) for name in ("eth2", "eth4")
    }

    saved = tmp_path / "run" / "sysctl.json"
    sysctls = Sysctls(saved)
    sysctls.apply(need_for_agent(sysctls, TUNNEL, home_links=["eth1"]))
    assert settings()["ip_forward"] == "1"
    assert effective(TUNNEL, "rp_filter") == 0
    assert effective("eth1", "rp_filter") == (0 if everywhere == "0" else 2)
    assert effective(TUNNEL, "send_redirects") == effective("eth1", "send_redirects") == 0
    assert (IPV4 / "neigh/eth1/proxy_delay").read_text().strip() == "0"
    assert others == {
        name: (effective(name, "rp_filter"), effective(name, "send_redirects")) for name in ("eth2", "eth4")
    }

    after_kill = Sysctls(saved)  # the run before never restored
    after_kill.apply(need_for_agent(after_kill, TUNNEL, home_links=["eth1"]))
    pair.here.ip("link del eth4")
    assert after_kill.restore() == []
    assert not saved.exists()
    assert settings() == {name: value for name, value in before.items() if "eth4" not in name}


def test_mobile_settings(pair: Pair) -> None:
    pair.add_tunnel_device()
    (IPV4 / "conf/all/rp_filter").write_text("1")
    (IPV4 / "conf/all/accept_redirects").write_text("1")
    (IPV4 / "conf/eth1/accept_redirects").write_text("1")
    before = settings()
    sysctls = Sysctls(None)
    sysctls.apply(need_for_mobile(sysctls, TUNNEL, ["eth1"]))
    assert effective(TUNNEL, "rp_filter") == effective("eth1", "rp_filter") == 0
    assert effective("lo", "rp_filter") == 1
    assert effective(TUNNEL, "accept_redirects") == effective("eth1", "accept_redirects") == 0
    assert effective("lo", "accept_redirects") == 1
    assert settings()["ip_forward"] == before["ip_forward"]
    assert sysctls.restore() == []
    assert settings() == before
