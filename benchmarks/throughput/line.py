"""Four hosts in a line, one line for each contender: the same networks, addresses and links.

::

    cn 203.0.113.2 ──── 203.0.113.1 ha 192.0.2.1 ═══ wire ═══ 192.0.2.2 fa 198.51.100.1 ──── mn 10.9.0.5

The tunnel is between ha and fa. Everything is routed but for what a tunnel has to do: the way from ha to the
mobile node's address, and the way from fa to the correspondent's network.
"""

from __future__ import annotations

import re
import subprocess
from ipaddress import IPv4Address
from typing import Final

from mobileip.control.lab.hosts import Host
from mobileip.control.lab.namespaces import LabError, Namespace, Namespaces, require
from mobileip.control.lab.waiting import NeverHappened

CORRESPONDENT: Final = IPv4Address("203.0.113.2")
CORRESPONDENTS: Final = "203.0.113.0/24"
HOME_END: Final = IPv4Address("192.0.2.1")
CARE_OF_END: Final = IPv4Address("192.0.2.2")
VISITED_LINK: Final = IPv4Address("198.51.100.1")
HOME_ADDRESS: Final = IPv4Address("10.9.0.5")
HOME_NETWORK: Final = "10.9.0.0/24"

WIRE: Final = "wire"
VISIT: Final = "visit"
_SEGMENTATION: Final = re.compile(r"^\s*(tx-[a-z0-9_-]*segmentation|tx-gso-partial): (?:on|off)(.*)$", re.M)


class Line:
    """The networks of one contender. ``addressed``: the node has its address and routes from the start.

    ``small_packets_to``: the first address that UDP goes to, and how many; 0 is one by a connected socket.
    """

    small_packets_to: tuple[IPv4Address, int] = (HOME_ADDRESS, 0)

    def __init__(self, spaces: Namespaces, name: str, *, addressed: bool) -> None:
        self.name = name
        self.cn, self.ha, self.fa, self.mn = spaces.add(
            *(f"{name}{host}" for host in ("cn", "ha", "fa", "mn"))
        )
        for router in (self.ha, self.fa):
            router.set_sysctls({"ipv4/ip_forward": 1})
        _join(self.cn, "eth0", f"{CORRESPONDENT}/24", self.ha, "cn", "203.0.113.1/24")
        _join(self.ha, WIRE, f"{HOME_END}/24", self.fa, WIRE, f"{CARE_OF_END}/24")
        _join(
            self.fa, VISIT, f"{VISITED_LINK}/24", self.mn, "eth0", f"{HOME_ADDRESS}/32" if addressed else None
        )
        self.cn.ip("route add default via 203.0.113.1")
        self.fa.ip(f"route add default via {HOME_END}")
        if addressed:
            self.fa.ip(f"route add {HOME_ADDRESS}/32 dev {VISIT}")
            self.mn.ip(f"route add default via {VISITED_LINK} dev eth0 onlink")

    @property
    def hosts(self) -> tuple[Namespace, ...]:
        return self.cn, self.ha, self.fa, self.mn

    def lead_through(self, home_device: str, care_of_device: str) -> None:
        """Route what is for the other side through these devices of ha and fa."""
        self.ha.ip(f"route add {HOME_ADDRESS}/32 dev {home_device}")
        self.fa.ip(f"route add {CORRESPONDENTS} dev {care_of_device}")

    def spread(self, first: IPv4Address, network: str, count: int, home_device: str) -> None:
        """Make the node have all of ``network`` behind the tunnel, and UDP go to ``count`` addresses of it."""
        self.ha.ip(f"route add {network} dev {home_device}")
        self.fa.ip(f"route add {network} via {HOME_ADDRESS} dev {VISIT} onlink")
        self.mn.ip(f"route add local {network} dev lo")
        self.small_packets_to = (first, count)

    def offload(self, wanted: bool) -> None:
        """Whether the wire takes packets of 64 KB, as veth does by itself, or only of 1500 bytes."""
        for host in (self.ha, self.fa):
            _set_offloads(host, WIRE, wanted)

    def passes(self, within: float) -> None:
        """Until an echo request of the correspondent is answered; LabError."""
        try:
            Host(self.cn).ping(HOME_ADDRESS, within=within)
        except (LabError, NeverHappened) as failure:
            raise LabError(f"nothing passes: {failure}") from None


def _join(
    a: Namespace, a_device: str, a_address: str, b: Namespace, b_device: str, b_address: str | None
) -> None:
    a.ip(
        f"link add {a_device} type veth peer name {b_device} netns {b.name}",
        f"addr add {a_address} dev {a_device}",
        f"link set {a_device} up",
    )
    b.ip(*([f"addr add {b_address} dev {b_device}"] if b_address else []), f"link set {b_device} up")


def _set_offloads(host: Namespace, device: str, wanted: bool) -> None:
    ethtool = require("ethtool", "ethtool")
    shown = subprocess.run([*host.enter(), ethtool, "-k", device], capture_output=True, text=True, check=True)
    # Each by its own name: `tso` and `gso` leave those of tunnels and of UDP on.
    names = [name for name, rest in _SEGMENTATION.findall(shown.stdout) if "[fixed]" not in rest]
    words = [word for name in names for word in (name, "on" if wanted else "off")]
    gso, gro = ("on", "off") if wanted else ("off", "off")  # veth has GRO off by itself
    command = [*host.enter(), ethtool, "-K", device, *words, "gso", gso, "gro", gro]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"`{' '.join(command)}`: {done.stderr.strip()}")
