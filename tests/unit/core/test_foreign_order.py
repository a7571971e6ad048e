"""The validity checks of a request in their order (RFC 5944 s3.7.2.1, RFC 3024 s4.2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from mobileip.control.core.foreign import ForeignAgent, ForeignAgentSettings
from mobileip.control.core.policy import ReverseTunnelPolicy
from mobileip.control.reasons import Reason
from mobileip.control.security import AssociationTable, sign
from mobileip.control.wire import EncapsulatingDelivery, MobileForeignAuthentication, RequestFlags
from tests.unit.core.factory import (
    CARE_OF,
    HOME,
    HOME_AGENT,
    KEYED,
    OTHER_CARE_OF,
    reasons,
    request,
    sent_reply,
)
from tests.unit.core.test_foreign import SETTINGS, ask, visit

# Each defect of a request, or of our circumstances, by the code it is refused with when it is the first in order.
WITH_REVERSE_TUNNEL = (67, 70, 69, 72, 79, 76, 74, 77, 116, 66)
WITHOUT = (67, 70, 69, 72, 79, 75, 77, 116, 66)
REASONS = {
    67: Reason.FA_MN_FAILED_AUTHENTICATION,
    70: Reason.FA_POORLY_FORMED,
    69: Reason.FA_LIFETIME_TOO_LONG,
    72: Reason.FA_ENCAPSULATION_UNAVAILABLE,
    79: Reason.FA_DELIVERY_STYLE,
    76: Reason.FA_MN_TOO_DISTANT,
    75: Reason.FA_REVERSE_TUNNEL_MANDATORY,
    74: Reason.FA_REVERSE_TUNNEL_UNAVAILABLE,
    77: Reason.FA_INVALID_CARE_OF,
    116: Reason.FA_INVALID_HOME_AGENT,
    66: Reason.FA_BUSY,
}


def settings(defects: Sequence[int]) -> ForeignAgentSettings:
    policy = ReverseTunnelPolicy.OPTIONAL
    if 74 in defects:
        policy = ReverseTunnelPolicy.UNAVAILABLE
    elif 75 in defects:
        policy = ReverseTunnelPolicy.REQUIRED
    return replace(
        SETTINGS,
        reverse_tunnel=policy,
        max_pending=0 if 66 in defects else 3,
        nodes=AssociationTable([(HOME, KEYED), (CARE_OF, KEYED)]),
    )


def asked(defects: Sequence[int], reverse: bool) -> bytes:
    payload = request(
        home_address=CARE_OF if 70 in defects else HOME,
        lifetime=301 if 69 in defects else 100,
        flags=RequestFlags(reverse_tunnel=reverse, gre=72 in defects),
        after=(EncapsulatingDelivery(),) if 79 in defects else (),
        care_of=OTHER_CARE_OF if 77 in defects else CARE_OF,
        home_agent=IPv4Address("203.0.113.1") if 116 in defects else HOME_AGENT,
    )
    return payload if 67 in defects else sign(KEYED, payload, MobileForeignAuthentication)


@pytest.mark.rfc("5944", "3.7.2.1", 3, 4, 5, 6)
@pytest.mark.rfc("3024", "4.2.1", 1, 2, 3, 4, 6)
@pytest.mark.parametrize(
    ("order", "reverse", "first"),
    [(WITH_REVERSE_TUNNEL, True, place) for place in range(len(WITH_REVERSE_TUNNEL) + 1)]
    + [(WITHOUT, False, place) for place in range(len(WITHOUT) + 1)],
)
def test_of_all_that_is_wrong_the_first_is_told(order: tuple[int, ...], reverse: bool, first: int) -> None:
    defects = order[first:]
    agent = ForeignAgent(settings(defects))
    actions = ask(agent, visit(asked(defects, reverse), ttl=64 if 76 in defects else 255))
    if not defects:
        assert reasons(actions) == [Reason.REQUEST_RELAYED]
        return
    assert reasons(actions) == [REASONS[defects[0]]]
    assert sent_reply(actions).code == defects[0]
    assert agent.visitors.pending_count() == 0


def test_delivery_style_without_reverse_tunnel_is_poorly_formed() -> None:
    agent = ForeignAgent(replace(SETTINGS, encapsulating_delivery=True))
    actions = ask(agent, request(flags=RequestFlags(), after=(EncapsulatingDelivery(),)))
    assert reasons(actions) == [Reason.FA_POORLY_FORMED]


@pytest.mark.rfc("3024", "A.4", 1, 6)
@pytest.mark.parametrize(
    ("home", "care_of", "flags", "reason"),
    [
        ("10.1.0.5", str(CARE_OF), RequestFlags(), Reason.FA_REVERSE_TUNNEL_MANDATORY),
        ("172.31.255.1", str(CARE_OF), RequestFlags(), Reason.FA_REVERSE_TUNNEL_MANDATORY),
        ("192.168.1.2", str(CARE_OF), RequestFlags(), Reason.FA_REVERSE_TUNNEL_MANDATORY),
        ("10.1.0.5", str(CARE_OF), RequestFlags(reverse_tunnel=True), Reason.REQUEST_RELAYED),
        ("10.1.0.5", "10.2.0.1", RequestFlags(), Reason.REQUEST_RELAYED),  # all in one private network
        ("172.32.0.1", str(CARE_OF), RequestFlags(), Reason.REQUEST_RELAYED),
    ],
)
def test_a_private_address_needs_a_reverse_tunnel_out_of_a_public_network(
    home: str, care_of: str, flags: RequestFlags, reason: Reason
) -> None:
    agent = ForeignAgent(replace(SETTINGS, more_care_of_addresses=(IPv4Address("10.2.0.1"),)))
    payload = request(home_address=IPv4Address(home), care_of=IPv4Address(care_of), flags=flags)
    assert reasons(ask(agent, payload)) == [reason]


def test_where_reverse_tunnels_are_unavailable_a_private_address_is_the_nodes_own_affair() -> None:
    agent = ForeignAgent(replace(SETTINGS, reverse_tunnel=ReverseTunnelPolicy.UNAVAILABLE))
    actions = ask(agent, request(home_address=IPv4Address("10.1.0.5"), flags=RequestFlags()))
    assert reasons(actions) == [Reason.REQUEST_RELAYED]


@pytest.mark.parametrize("flags", [RequestFlags(reserved=True), RequestFlags(reserved_x=True)])
def test_the_bits_r_and_x_are_ignored_and_relayed_as_they_came(flags: RequestFlags) -> None:
    """s3.3: "Sent as zero; ignored on reception"."""
    actions = ask(ForeignAgent(SETTINGS), request(flags=flags))
    assert reasons(actions) == [Reason.REQUEST_RELAYED]
