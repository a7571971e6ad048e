"""How a home agent makes and ends bindings, and what the kernel and the data plane do for them.

A node's tunnel, its route, its claimed address on the home link and its multicast groups come and go with its bindings
(RFC 5944 s3.8.2.2, s4.2.3, s4.4, s4.6).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address

from mobileip.control.core.actions import (
    Action,
    BroadcastDelivery,
    ClaimAddress,
    InstallBindingRoute,
    InstallTunnel,
    ReleaseAddress,
    RemoveBindingRoute,
    RemoveTunnel,
    TunnelSide,
)
from mobileip.control.core.bindings import BindingList, MobilityBinding
from mobileip.control.core.encapsulations import asked as asked_encapsulation
from mobileip.control.core.home_replies import Asked
from mobileip.control.core.idle import IdleTunnels
from mobileip.control.core.multicast import Groups
from mobileip.control.core.networks import HomeNetworks
from mobileip.control.core.nodes import HomeAgentSettings, Nodes
from mobileip.control.core.policy import cap_lifetime
from mobileip.control.reasons import Reason
from mobileip.control.types import EncapsulationType, Instant
from mobileip.control.wire import plain


class Binder:
    """Changes the binding list, and with it the pool of home addresses, the groups and what is known of silence."""

    def __init__(
        self,
        bindings: BindingList,
        networks: HomeNetworks,
        nodes: Nodes,
        idle: IdleTunnels,
        groups: Groups | None,
    ) -> None:
        self._bindings = bindings
        self._networks = networks
        self._nodes = nodes
        self._idle = idle
        self._groups = groups

    def bind(
        self, binding: MobilityBinding, previous: tuple[MobilityBinding, ...], *, beside: bool
    ) -> list[Action]:
        """All that the reply tells of that accepts ``binding``; ``beside``: the ``previous`` ones are kept."""
        home_address = binding.home_address
        link = self._networks.link(home_address)
        self._bindings.put(binding, beside=beside)
        if _leads_elsewhere(binding, previous):
            self._idle.began(home_address, binding.care_of_address)
        self._nodes.pool.bind(home_address)
        # Before the tunnel goes one way only: if it cannot be changed, they join anew.
        actions: list[Action] = [] if binding.reverse_tunnel else self._leave_groups(home_address)
        actions += [
            InstallTunnel(
                home_address,
                TunnelSide.HOME,
                local=binding.home_agent,
                remote=binding.care_of_address,
                reverse=binding.reverse_tunnel,
                beside=beside,
                broadcast=binding.broadcast,
                encapsulation=binding.encapsulation,
                keys=binding.gre_keys,
                multicast=self._multicast(binding),
            )
        ]
        if not previous and link is not None:
            actions += [InstallBindingRoute(home_address), ClaimAddress(home_address, link)]
        return actions

    def follow_up(
        self, binding: MobilityBinding, previous: tuple[MobilityBinding, ...], now: Instant
    ) -> list[Action]:
        """What comes behind the reply that accepts ``binding``."""
        actions: list[Action] = []
        link = self._networks.link(binding.home_address)
        if previous and link is not None:
            # Once more at each acceptance: a node that was home for a moment, too short for its deregistration to
            # arrive, has turned every ARP cache of the link to itself (s4.6).
            actions.append(ClaimAddress(binding.home_address, link))
        moved = _leads_elsewhere(binding, previous)
        return [*actions, *self._join_groups(binding, now, moved=moved)]

    def restore(
        self, home_address: IPv4Address, previous: tuple[MobilityBinding, ...], now: Instant
    ) -> list[Action]:
        """Back to the bindings ``previous``, or none: what was made of another one is refused."""
        if not previous:
            return self.withdraw(home_address, None, now, Reason.HA_INSUFFICIENT_RESOURCES)
        self._bindings.restore(home_address, previous)  # a tunnel that is refused leaves the others
        latest = max(previous, key=lambda one: one.registered.mono)
        return self._join_groups(latest, now, moved=True) or self._leave_groups(home_address)

    def end(
        self, home_address: IPv4Address, care_of_address: IPv4Address, now: Instant, why: Reason
    ) -> list[Action]:
        """Remove one binding, if it is there."""
        gone = self._bindings.remove(home_address, care_of_address)
        return [] if gone is None else self._after_removal(gone, now, why)

    def expire(self, now: Instant) -> Iterator[tuple[MobilityBinding, list[Action]]]:
        """Remove the bindings whose lifetime is over; each with what follows."""
        for gone in self._bindings.expire(now.mono):
            yield gone, self._after_removal(gone, now, Reason.BINDING_EXPIRED)

    def _after_removal(self, gone: MobilityBinding, now: Instant, why: Reason) -> list[Action]:
        """What follows a binding that is off the list: its tunnel only, or with the last one everything."""
        home_address = gone.home_address
        if self._bindings.get(home_address) is not None:
            return [RemoveTunnel(home_address, TunnelSide.HOME, gone.care_of_address, why)]
        return self.withdraw(home_address, None, now, why)

    def withdraw(
        self, home_address: IPv4Address, link_address: bytes | None, now: Instant, why: Reason
    ) -> list[Action]:
        """The actions of :meth:`bind` backwards. ``link_address``: announce the node that came home (s4.6)."""
        self._bindings.pop(home_address)
        self._nodes.pool.release(home_address, now.mono)
        actions = self._leave_groups(home_address)
        link = self._networks.link(home_address)
        if link is not None:
            actions += [RemoveBindingRoute(home_address), ReleaseAddress(home_address, link, link_address)]
        actions.append(RemoveTunnel(home_address, TunnelSide.HOME, why=why))
        return actions

    # ---- groups

    def _join_groups(self, binding: MobilityBinding, now: Instant, *, moved: bool) -> list[Action]:
        """A node joins groups through a tunnel that goes both ways (s4.4)."""
        if self._groups is None or not binding.reverse_tunnel:
            return []
        link = self._networks.link(binding.home_address)
        return self._groups.bound(binding.home_address, link, now, moved=moved)

    def _leave_groups(self, home_address: IPv4Address) -> list[Action]:
        return [] if self._groups is None else self._groups.unbound(home_address)

    def _multicast(self, binding: MobilityBinding) -> BroadcastDelivery:
        if self._groups is None or not binding.reverse_tunnel:
            return BroadcastDelivery.NONE
        return BroadcastDelivery.DIRECT if binding.co_located else BroadcastDelivery.NESTED


def binding_of(
    asked: Asked, settings: HomeAgentSettings, link: str | None, reason: Reason, look: int, now: Instant
) -> MobilityBinding:
    """What an accepted request makes; ``link``: the node's home link, ``look``: when renewals are looked at in full."""
    request = asked.request
    broadcast = BroadcastDelivery.NONE
    if request.flags.broadcast and settings.broadcasts and link is not None:
        to_node = request.flags.decapsulation_by_mn
        broadcast = BroadcastDelivery.DIRECT if to_node else BroadcastDelivery.NESTED
    lifetime = cap_lifetime(request.lifetime, asked.policy.max_lifetime)
    for one in asked.previous:
        # A duplicate, which only an association without replay protection lets through, extends nothing (s3.8.2.2).
        if (one.care_of_address, one.identification) == (request.care_of_address, request.identification):
            return replace(one, lifetime=min(lifetime, one.lifetime), broadcast=broadcast, look=0)
    gre_key = asked.marks.gre_key
    return MobilityBinding(
        home_address=asked.home_address,
        care_of_address=request.care_of_address,
        home_agent=settings.address,
        identification=request.identification,
        lifetime=lifetime,
        registered=now,
        reverse_tunnel=request.flags.reverse_tunnel,
        co_located=request.flags.decapsulation_by_mn,
        relay=asked.datagram.source,
        asked=request.raw[: plain.ASKED],
        nai=asked.node.name,
        broadcast=broadcast,
        encapsulation=asked_encapsulation(request.flags, gre_key is not None) or EncapsulationType.IPIP,
        gre_key=None if gre_key is None else gre_key.key,
        code=int(reason.info.code or 0),
        look=look,
    )


def _leads_elsewhere(binding: MobilityBinding, previous: tuple[MobilityBinding, ...]) -> bool:
    return binding.care_of_address not in [one.care_of_address for one in previous]
