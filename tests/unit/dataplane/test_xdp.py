"""AF_XDP: what it takes off an interface and what it leaves to the kernel; what happens when it cannot go on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from mobileip.control.lab.waiting import eventually
from mobileip.dataplane import Encapsulation, Engine, EventType, NextHop, Tunnel, fragment, port_lost
from tests.unit.dataplane.link import Link, Tap, counted, moved
from tests.unit.dataplane.packets import (
    AGENT,
    CARE_OF,
    CORRESPONDENT,
    HOME,
    IP,
    OTHER_AGENT,
    STRANGER,
    Packet,
    care_of_end,
    home_end,
    inner,
    outer,
)
from tests.unit.dataplane.test_underlay import hop, index, link_address, tell
from tests.unit.dataplane.transfer import both_ways

pytestmark = pytest.mark.netns


def started(cable: Link, tunnel: Tunnel | None = None, **options: object) -> Engine:
    """The home agent's end, with a port on the wire."""
    engine = cable.engine(cable.home, underlay="xdp", **options)
    engine.install(tunnel or home_end())
    engine.start()
    tell(cable, engine, hop(cable))
    assert engine.has_port(index(cable.home, "wire")) and not engine.drain_events()
    return engine


def attached(cable: Link, device: str = "wire") -> bool:
    shown = subprocess.run(
        [*cable.home.enter(), "ip", "-o", "link", "show", device], capture_output=True, text=True, check=True
    )
    return "prog/xdp" in shown.stdout


def incoming(
    packet: Packet, source: IPv4Address = CARE_OF, destination: IPv4Address = AGENT, **fields: object
) -> Packet:
    return outer(packet, source, destination, **fields)


def to_kernel(seen: Tap, count: int) -> list[bytes]:
    """The next so many datagrams that the kernel got, without ICMP: the other end has no engine, and says so."""
    found: list[bytes] = []
    while len(found) < count:
        found += [datagram for datagram in seen.take(1) if datagram[9] != socket.IPPROTO_ICMP]
    return found


def nothing_for_kernel(cable: Link, seen: Tap) -> bool:
    """Once the caller knows that all was handled: the next is what is sent now."""
    mark = incoming(upward(), STRANGER)
    cable.send(cable.away, [mark])
    return to_kernel(seen, 1) == [bytes(mark)]


def upward(size: int = 100, **fields: object) -> Packet:
    return inner(HOME, CORRESPONDENT, size, **fields)


@pytest.mark.parametrize("count", [1, 63, 64, 65, 150])
def test_ours_is_taken_before_the_kernel_sees_it(cable: Link, count: int) -> None:
    engine = started(cable)
    seen, out = cable.tap(cable.home, "wire"), cable.socket(cable.home, socket.SOCK_DGRAM)
    out.bind((str(CORRESPONDENT), 4000))
    cable.send(cable.away, [incoming(upward(60 + i % 1400, port=4000)) for i in range(count)])
    for i in range(count):
        assert len(out.recv(2000)) == 32 + i % 1400
    counted(engine, "decapsulated-packets", count)
    assert nothing_for_kernel(cable, seen) and engine.counters()["decapsulated-packets"] == count


@pytest.mark.parametrize("kind", [Encapsulation.GRE, Encapsulation.MINIMAL])
def test_every_encapsulation_once_a_tunnel_has_it(cable: Link, kind: Encapsulation) -> None:
    """Before, it is somebody else's: also between the same two ends."""
    engine = started(cable)
    seen = cable.tap(cable.home, "wire")
    datagram = incoming(upward(), proto=int(kind))  # badly made, which is the engine's to say
    cable.send(cable.away, [datagram])
    assert to_kernel(seen, 1) == [bytes(datagram)]
    engine.install(replace(home_end(1400), encapsulation=kind))
    cable.send(cable.away, [datagram, incoming(upward())])
    counted(engine, "received-packets", 2)
    counted(engine, "wrong-encapsulation", 1)
    assert nothing_for_kernel(cable, seen)


def test_the_kernel_gets_what_it_alone_can_do(cable: Link) -> None:
    """Fragments are reassembled, options looked at; both come by the raw socket, in the end."""
    engine = started(cable)
    seen = cable.tap(cable.home, "wire")
    optional = incoming(upward(), options=bytes([1] * 4), id=1)
    passed = [*map(IP, fragment(bytes(incoming(upward(1400), id=2)), 600)), optional]
    assert len(passed) == 4
    cable.send(cable.away, passed)
    assert to_kernel(seen, 4) == [bytes(datagram) for datagram in passed]
    counted(engine, "decapsulated-packets", 2)
    counted(engine, "decapsulated-bytes", 1500)


def test_others_tunnels_are_left_alone(cable: Link) -> None:
    """From a stranger to us, from our other end to another address of ours, and through this host."""
    engine = started(cable)
    routed = IPv4Address("10.77.0.9")
    cable.home.ip(
        "link add behind type veth peer name beyond",
        "link set behind up",
        "link set beyond up",
        f"route add {routed}/32 dev behind",
    )
    cable.away.ip(f"route add {routed}/32 via {AGENT}")
    others = cable.tap(cable.home, "wire")
    datagrams = [
        incoming(upward(), STRANGER),
        incoming(upward(), CARE_OF, OTHER_AGENT),
        incoming(upward(), CARE_OF, routed),
        incoming(upward(), proto=50),
    ]
    cable.send(cable.away, datagrams)
    assert to_kernel(others, 4) == [bytes(datagram) for datagram in datagrams]
    # IP-in-IP for this host comes to the raw socket, whosever it is.
    eventually(lambda: moved(engine), lambda seen: seen.get("received-packets") == 2, what="two by that")


def test_what_is_wider_than_a_frame_goes_the_other_ways(cable: Link) -> None:
    """Jumbo frames: both directions, in between others that are not."""
    for space in (cable.home, cable.away):
        space.ip("link set wire mtu 3400")
    engine = started(cable, home_end(3000), mtu=3000)
    wire, seen = cable.tap(cable.away, "wire"), cable.tap(cable.home, "wire")
    packets = [inner(size=size, id=i + 1) for i, size in enumerate((2014, 2015, 3000, 100))]
    cable.send(cable.home, packets)
    assert sorted(len(datagram) for datagram in wire.take(4)) == [120, 2034, 2035, 3020]
    counted(engine, "past-routing", 4)
    cable.send(cable.away, [incoming(upward(size)) for size in (1700, 2900, 1700)])
    counted(engine, "decapsulated-packets", 3)
    assert [len(datagram) for datagram in to_kernel(seen, 1)] == [2920]
    assert nothing_for_kernel(cable, seen)


def test_tcp_both_ways_with_ports_at_both_ends(cable: Link) -> None:
    sent = os.urandom(8 << 20)
    ends = ((cable.home, cable.away, home_end()), (cable.away, cable.home, care_of_end()))
    engines = []
    for here, there, tunnel in ends:
        engine = cable.engine(here, underlay="xdp")
        engine.install(tunnel)
        engine.start()
        way = NextHop(tunnel.local, tunnel.remote, index(here, "wire"), link_address(there, "wire"))
        assert here.inside(lambda engine=engine, way=way: engine.set_next_hops([way])) == 1
        engines.append(engine)
    both_ways(cable, sent)
    for engine in engines:
        counters = engine.counters()
        assert counters["past-routing"] == counters["encapsulated-packets"] > 0
        assert counters["super-packets"] >= counters["whole-packets"] > 0
        assert counters["coalesced-packets"] > 0
        assert not engine.drain_events()


@pytest.mark.parametrize("cut", [True, False])
def test_the_kernel_cuts_what_is_sent_as_it_is(cable: Link, cut: bool) -> None:
    """Into datagrams that fit the wire, with headers of their own, unless the other side takes them uncut."""
    if cut:
        for space in (cable.home, cable.away):
            command = [*space.enter(), "ethtool", "-K", "wire", "tso", "off", "gso", "off"]
            features = ("tx-gre-segmentation", "tx-ipxip4-segmentation", "tx-ipxip6-segmentation")
            words = [word for feature in features for word in (feature, "off")]
            subprocess.run([*command, *words], capture_output=True, check=True)
    engine, other = started(cable), cable.engine(cable.away)
    other.install(care_of_end())
    other.start()
    wire = cable.tap(cable.away, "wire")
    both_ways(cable, os.urandom(2 << 20))
    counters = engine.counters()
    assert counters["whole-packets"] > 0 and counters["encapsulated-packets"] == counters["past-routing"]
    assert (other.counters()["merged-received"] > 0) is not cut
    if cut:
        seen = [IP(datagram) for datagram in wire.take(400)]
        sent = [datagram for datagram in seen if datagram.src == str(AGENT)]
        assert sent and max(datagram.len for datagram in sent) == 1500
        for datagram in sent:
            assert datagram.proto == 4 and datagram.ttl == 64 and datagram.len == datagram.payload.len + 20
            again = datagram.copy()
            del again.chksum
            assert IP(bytes(again)).chksum == datagram.chksum
        assert len({datagram.id for datagram in sent}) == len(sent)


def test_a_program_that_is_there_stays(cable: Link) -> None:
    """Datagrams go by a packet socket then; one line says why, and it is tried again with the next first hop."""
    first = started(cable)
    second = cable.home.inside(lambda: Engine("mip1", underlay="xdp"))
    with second:
        for _ in range(3):
            assert tell(cable, second, hop(cable, STRANGER)) == 1
        assert not second.has_port(index(cable.home, "wire"))
        (event,) = second.drain_events()
        assert event.type is EventType.PORT_LOST
        assert port_lost(event) == (
            index(cable.home, "wire"),
            "the interface has another XDP program, which stays",
        )
        first.close()
        assert not attached(cable)
        tell(cable, second, NextHop(AGENT, STRANGER))
        tell(cable, second, hop(cable, STRANGER))
        assert second.has_port(index(cable.home, "wire")) and attached(cable)
    assert not attached(cable)


def test_an_interface_goes_down_and_away_and_comes_again(cable: Link) -> None:
    """No datagram is lost by it that a route exists for; the program goes with the last next hop."""
    engine = started(cable)
    old = hop(cable)
    cable.home.ip("link set wire down")
    cable.send(cable.home, [inner()])  # the route is gone with the link: so is this one
    counted(engine, "send-unreachable", 1)
    (event,) = engine.drain_events()
    assert port_lost(event) == (old.interface, "the interface is down")
    cable.home.ip("link set wire up")
    tell(cable, engine, old)
    wire = cable.tap(cable.away, "wire")
    cable.send(cable.home, [inner()])
    wire.take(1)
    counted(engine, "past-routing", 1)

    cable.home.ip("link del wire")
    tell(cable, engine, NextHop(AGENT, CARE_OF))
    (event,) = engine.drain_events()
    assert port_lost(event) == (old.interface, "the interface is gone")
    cable.home.ip(f"link add wire type veth peer name wire netns {cable.away.name}")
    for space, address in ((cable.home, AGENT), (cable.away, CARE_OF)):
        space.ip(f"addr add {address}/24 dev wire", "link set wire up")
    tell(cable, engine, hop(cable))
    assert hop(cable).interface != old.interface and attached(cable)
    seen = cable.tap(cable.home, "wire")
    cable.send(cable.away, [incoming(upward())])
    counted(engine, "decapsulated-packets", 1)
    assert nothing_for_kernel(cable, seen)
    tell(cable, engine, NextHop(AGENT, CARE_OF))
    assert not attached(cable)
    assert EventType.PORT_LOST not in [event.type for event in engine.drain_events()]
    cable.send(cable.away, [incoming(upward())])
    counted(engine, "decapsulated-packets", 2)


def test_more_interfaces_than_ports(cable: Link) -> None:
    """The ninth has the packet socket; a port that comes free is for the next."""
    engine = cable.engine(cable.home, underlay="xdp")
    hops = []
    for i in range(9):
        cable.home.ip(f"link add w{i} type veth peer name x{i}", f"link set w{i} up", f"link set x{i} up")
        remote = IPv4Address(int(CARE_OF) + 1 + i)
        hops.append(NextHop(AGENT, remote, index(cable.home, f"w{i}"), bytes(6)))
    assert tell(cable, engine, *hops) == 9
    assert [engine.has_port(one.interface) for one in hops] == [True] * 8 + [False]
    tell(cable, engine, replace(hops[0], interface=0, address=None), hops[8])
    assert [engine.has_port(one.interface) for one in hops] == [False] + [True] * 8


def test_without_the_capability_it_is_one_sentence(cable: Link) -> None:
    code = (
        "from mobileip.dataplane import Engine\n"
        "try: Engine(underlay='xdp')\n"
        "except PermissionError as error: print(error.strerror)\n"
    )
    command = [*cable.home.enter(), "setpriv", "--bounding-set=-sys_admin,-bpf", sys.executable, "-c", code]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if said == "" and Path("/proc/sys/kernel/unprivileged_bpf_disabled").read_text() == "0\n":
        pytest.skip("this kernel lets everybody make maps")
    assert said == "AF_XDP needs CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW; run as root or grant them\n"
