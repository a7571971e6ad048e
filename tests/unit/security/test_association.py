"""Associations and their table."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from mobileip.control.security import Algorithm, AssociationTable, MobilitySecurityAssociation, Secret
from mobileip.control.types import Spi

ONE, TWO, THREE = map(IPv4Address, ("192.0.2.1", "192.0.2.2", "192.0.2.3"))
KEY = Secret(b"key")


@pytest.mark.rfc("5944", "5.7.1", 1)
def test_defaults_are_those_of_the_rfc() -> None:
    association = MobilitySecurityAssociation(Spi(256), KEY)
    assert association.algorithm is Algorithm.HMAC_MD5
    assert association.replay_tolerance_s == 7.0


@pytest.mark.rfc("5944", "1.6", 10)
@pytest.mark.parametrize("spi", [0, 2, 255, 1 << 32, -1])
def test_reserved_spi_is_refused(spi: int) -> None:
    with pytest.raises(ValueError, match="SPI"):
        MobilitySecurityAssociation(Spi(spi), KEY)
    with pytest.raises(ValueError, match="SPI"):
        MobilitySecurityAssociation(Spi(256), KEY, spi_out=Spi(spi))


def test_empty_key_and_tolerance_are_refused() -> None:
    with pytest.raises(ValueError, match="key"):
        MobilitySecurityAssociation(Spi(256), Secret(b""))
    for tolerance in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="tolerance"):
            MobilitySecurityAssociation(Spi(256), KEY, replay_tolerance_s=tolerance)


@pytest.mark.rfc("5944", "3.5.1", 2)
def test_look_up_is_by_peer_and_spi() -> None:
    first, second = MobilitySecurityAssociation(Spi(300), KEY), MobilitySecurityAssociation(Spi(256), KEY)
    other = MobilitySecurityAssociation(Spi(256), Secret(b"other"))
    table = AssociationTable([(ONE, first), (ONE, second), (TWO, other)])
    assert len(table) == 3
    assert table.find(ONE, Spi(256)) is second
    assert table.find(TWO, Spi(256)) is other
    assert table.find(TWO, Spi(300)) is None
    assert table.find(THREE, Spi(256)) is None
    assert table.preferred(ONE) is first
    assert table.preferred(THREE) is None


def test_look_up_is_by_the_spi_that_is_received() -> None:
    association = MobilitySecurityAssociation(Spi(300), KEY, spi_out=Spi(400))
    table = AssociationTable([(ONE, association)])
    assert table.find(ONE, Spi(300)) is association and table.find(ONE, Spi(400)) is None
    assert (association.sent_spi, MobilitySecurityAssociation(Spi(300), KEY).sent_spi) == (400, 300)


def test_same_spi_twice_for_a_peer_is_refused() -> None:
    association = MobilitySecurityAssociation(Spi(256), KEY)
    with pytest.raises(ValueError, match="two associations"):
        AssociationTable([(ONE, association), (ONE, association)])
