"""Whether outer headers have the ECN field of the packet in them (RFC 6040 s4.1)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mobileip.control.core.actions import BroadcastDelivery, InstallMulticastTunnel, TunnelSide
from mobileip.control.types import EncapsulationType
from mobileip.dataplane import Flag, Install, Side
from tests.unit.test_tunnels import HOME, REMOTE, action, opened


@pytest.mark.parametrize(("propagate", "flags"), [(True, Flag.NONE), (False, Flag.ECN_COMPAT)])
def test_it_is_the_same_for_every_tunnel(
    monkeypatch: pytest.MonkeyPatch, propagate: bool, flags: Flag
) -> None:
    made, engine = opened(monkeypatch, propagate_ecn=propagate)
    for kind in EncapsulationType:
        for side in TunnelSide:
            made.perform(replace(action(), side=side, encapsulation=kind))
    for delivery in (BroadcastDelivery.DIRECT, BroadcastDelivery.NESTED):
        made.perform(replace(action(), side=TunnelSide.CARE_OF, broadcast=delivery))
    made.perform_group(InstallMulticastTunnel(HOME, REMOTE))
    found = [change.tunnel for change in engine.take() if isinstance(change, Install)]
    assert {tunnel.side for tunnel in found} == set(Side) and len(found) >= 9
    assert {tunnel.flags & Flag.ECN_COMPAT for tunnel in found} == {flags}
