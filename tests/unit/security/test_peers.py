"""Finding what is known of a peer: by address, range, or name."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from mobileip.control.security import AssociationTable, MobilitySecurityAssociation, Peer, PeerMap, Secret
from mobileip.control.types import Spi

ONE = IPv4Address("192.0.2.17")
RANGE, NEXT, SMALL = map(IPv4Network, ("192.0.2.16/28", "192.0.2.32/28", "192.0.2.20/30"))


def known(*peers: Peer) -> PeerMap[str]:
    table: PeerMap[str] = PeerMap()
    for peer in peers:
        table.setdefault(peer, str(peer))
    return table


def test_ranges_hold_their_first_and_last_address_and_no_other() -> None:
    table = known(NEXT, RANGE)
    for address, found in [
        ("192.0.2.15", None),
        ("192.0.2.16", "192.0.2.16/28"),
        ("192.0.2.31", "192.0.2.16/28"),
        ("192.0.2.32", "192.0.2.32/28"),
        ("192.0.2.47", "192.0.2.32/28"),
        ("192.0.2.48", None),
    ]:
        assert table.find(IPv4Address(address)) == found


def test_address_of_its_own_goes_before_its_range() -> None:
    for peers in ((RANGE, ONE), (ONE, RANGE)):
        table = known(*peers)
        assert table.find(ONE) == "192.0.2.17"
        assert table.find(ONE + 1) == "192.0.2.16/28"


def test_overlapping_ranges_are_refused_and_equal_ones_are_one() -> None:
    table = known(RANGE)
    with pytest.raises(ValueError, match=r"overlaps 192\.0\.2\.16 to 192\.0\.2\.31"):
        table.setdefault(SMALL, "other")
    assert table.setdefault(RANGE, "other") == "192.0.2.16/28"
    for inside in ("192.0.2.16/32", "192.0.2.31/32", "192.0.2.0/24"):
        with pytest.raises(ValueError, match="overlaps"):
            known(RANGE).setdefault(IPv4Network(inside), "other")
        with pytest.raises(ValueError, match="overlaps"):
            known(IPv4Network(inside)).setdefault(RANGE, "other")


@pytest.mark.parametrize(
    ("nai", "found"),
    [
        ("alice@example.net", "alice@example.net"),
        ("alice@EXAMPLE.net", "alice@example.net"),  # a realm is a domain name
        ("Alice@example.net", "*@example.net"),  # a user's name is not
        ("bob@example.net", "*@example.net"),
        ("bob@sub.example.net", None),
        ("a@b@example.net", "*@example.net"),
        ("alice", "alice"),
        ("bob", None),
        ("", None),
        ("@", None),
    ],
)
def test_names(nai: str, found: str | None) -> None:
    assert known("alice@Example.net", "*@example.net", "alice").find(nai) in (found, "alice@Example.net")
    assert (known("alice@example.net", "*@example.net", "alice").find(nai)) == found


def test_name_without_realm_is_in_no_realm() -> None:
    assert known("*@bob").find("bob") is None


def test_empty_map_is_false() -> None:
    assert not known()
    for peer in (ONE, RANGE, "alice"):
        assert known(peer)


def test_associations_of_ranges_and_names() -> None:
    key = MobilitySecurityAssociation(Spi(256), Secret(b"shared by a range"))
    other = MobilitySecurityAssociation(Spi(257), Secret(b"of a name"))
    table = AssociationTable([(RANGE, key), ("*@example.net", other)])
    assert len(table) == 2
    assert table.find(ONE, Spi(256)) is key and table.find(ONE, Spi(257)) is None
    assert table.find("x@example.net", Spi(257)) is other and table.preferred("x@example.net") is other
    assert table.has_address(ONE) and not table.has_address(IPv4Address("192.0.2.99"))
    with pytest.raises(ValueError, match="two associations"):
        AssociationTable([("a@example.net", key), ("a@EXAMPLE.NET", key)])
