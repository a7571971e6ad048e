"""Gratuitous ARP packets (RFC 5944 s4.6) as scapy reads them."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from scapy.layers.l2 import ARP

from mobileip.control.net.arp import gratuitous

ADDRESS, MAC = IPv4Address("198.51.100.7"), bytes.fromhex("020000000009")


@pytest.mark.rfc("5944", "4.6", 1)
@pytest.mark.parametrize(("operation", "target"), [(1, "00:00:00:00:00:00"), (2, MAC.hex(":"))])
def test_fields(operation: int, target: str) -> None:
    packet = ARP(gratuitous(operation, ADDRESS, MAC))
    assert (packet.hwtype, packet.ptype, packet.hwlen, packet.plen, packet.op) == (1, 0x0800, 6, 4, operation)
    assert (packet.hwsrc, packet.hwdst) == (MAC.hex(":"), target)
    assert packet.psrc == packet.pdst == str(ADDRESS)
    assert len(packet) == 28
