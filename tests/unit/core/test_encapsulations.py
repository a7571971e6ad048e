"""Which encapsulation a tunnel gets: asked for, offered, granted, repaired (RFC 5944 s3.6.1.2, s4.1; RFC 3024 s4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, permutations, product

import pytest

from mobileip.control.core.actions import Action, DeliveryStyle, InstallTunnel, SendDatagram, TunnelSide
from mobileip.control.core.encapsulations import ONLY_IPIP, asked, offered, worth_asking
from mobileip.control.core.foreign import ForeignAgent
from mobileip.control.core.mobile import MobileNode, State
from mobileip.control.core.policy import NodePolicy
from mobileip.control.reasons import Reason
from mobileip.control.security import PeerMap
from mobileip.control.types import EncapsulationType, Lifetime
from mobileip.control.wire import AgentFlags, RegistrationRequest, RequestFlags, parse
from tests.unit.core.factory import (
    CARE_OF,
    HOME,
    HOME_AGENT,
    OTHER_CARE_OF,
    OTHER_MAC,
    advertisement,
    at,
    datagram,
    none,
    note,
    only,
    reasons,
    request,
    sent_reply,
    sent_request,
)
from tests.unit.core.homes import ask as ask_home
from tests.unit.core.homes import home
from tests.unit.core.mobile import ADDRESS, SECOND_AGENT, answer, denied, down, up, visiting
from tests.unit.core.mobile import asked as request_in
from tests.unit.core.test_foreign import SETTINGS as FOREIGN
from tests.unit.core.test_foreign import ask as ask_foreign
from tests.unit.core.test_foreign import hear, visit
from tests.unit.core.test_mobile import SETTINGS, node

GRE, MINIMAL, IPIP = EncapsulationType.GRE, EncapsulationType.MINIMAL, EncapsulationType.IPIP
BIT = {IPIP: RequestFlags(), GRE: RequestFlags(gre=True), MINIMAL: RequestFlags(minimal=True)}
BOTH = RequestFlags(gre=True, minimal=True)
SETS = [frozenset({IPIP, *more}) for count in range(3) for more in combinations((GRE, MINIMAL), count)]
ORDERS = [order for count in range(4) for order in permutations((GRE, MINIMAL, IPIP), count)]


def exchange(
    machine: MobileNode, payload: bytes, agent: ForeignAgent, homes: object
) -> Iterator[list[Action]]:
    """The three machines talk until the node has nothing more to say; what each step led to."""
    for step in range(8):
        time = 0.1 + step / 100
        actions = ask_foreign(agent, payload, time)
        yield actions
        out = only(actions, SendDatagram)
        if out.destination.address == HOME_AGENT:
            granted = ask_home(homes, datagram(out.payload, source=CARE_OF), time)  # type: ignore[arg-type]
            yield granted
            relayed = hear(agent, only(granted, SendDatagram).payload, time)
            yield relayed
            out = only(relayed, SendDatagram)
        heard = machine.handle(datagram(out.payload), at(time))
        yield heard
        if none(heard, SendDatagram):
            return
        payload = request_in(heard)
    raise AssertionError("no end")


@pytest.mark.rfc("5944", "3.6.1.2", 10)
@pytest.mark.rfc("5944", "4.1", 1)
@pytest.mark.parametrize(("here", "there"), list(product(SETS, SETS)))
def test_all_three_agree_on_the_best_that_each_has(
    here: frozenset[EncapsulationType], there: frozenset[EncapsulationType]
) -> None:
    """Every order of wishes, whatever the foreign agent (``here``) and the home agent (``there``) have."""
    for wanted in ORDERS:
        settings = replace(SETTINGS, encapsulations=wanted)
        agent, homes = ForeignAgent(replace(FOREIGN, encapsulations=here)), home(encapsulations=there)
        machine, payload = visiting(settings, gre=GRE in here, minimal=MINIMAL in here)
        steps = list(exchange(machine, payload, agent, homes))
        tunnels = [action for step in steps for action in step if isinstance(action, InstallTunnel)]
        best = next(kind for kind in (*wanted, IPIP) if kind in here & there)
        assert machine.state is State.REGISTERED and machine.tunnel.encapsulation is best, (wanted, steps)
        assert [(one.side, one.encapsulation) for one in tunnels] == [
            (TunnelSide.HOME, best),
            (TunnelSide.CARE_OF, best),
        ]
        (binding,) = homes.bindings
        (visitor,) = agent.visitors.visitors
        assert binding.encapsulation is visitor.encapsulation is best


@pytest.mark.parametrize("there", SETS)
def test_a_co_located_node_is_limited_by_its_home_agent_alone(there: frozenset[EncapsulationType]) -> None:
    for wanted in ORDERS:
        machine, homes = node(replace(SETTINGS, encapsulations=wanted)), home(encapsulations=there)
        up(machine, 0)
        actions = up(machine, 0.1, ADDRESS)
        ends = [only(actions, InstallTunnel)]
        while not none(actions, SendDatagram):
            sent = datagram(request_in(actions), source=ADDRESS.ip)
            actions = answer_of(machine, ask_home(homes, sent, 0.2))
            ends += [action for action in actions if isinstance(action, InstallTunnel)]
        best = next(kind for kind in (*wanted, IPIP) if kind in there)
        (binding,) = homes.bindings
        assert machine.state is State.REGISTERED
        assert binding.encapsulation is ends[-1].encapsulation is best


def answer_of(machine: MobileNode, granted: list[Action]) -> list[Action]:
    return machine.handle(datagram(only(granted, SendDatagram).payload), at(0.3))


# ---- the mobile node


@pytest.mark.parametrize(
    ("order", "among", "result"),
    [
        ((), SETS[3], (IPIP,)),
        ((IPIP,), SETS[3], (IPIP,)),
        ((GRE, MINIMAL), SETS[3], (GRE, MINIMAL, IPIP)),
        ((GRE, MINIMAL), SETS[2], (MINIMAL, IPIP)),
        ((GRE, IPIP, MINIMAL), SETS[3], (GRE, IPIP)),
        ((GRE, MINIMAL), ONLY_IPIP, (IPIP,)),
    ],
)
def test_what_is_worth_asking(
    order: tuple[EncapsulationType, ...],
    among: frozenset[EncapsulationType],
    result: tuple[EncapsulationType, ...],
) -> None:
    assert worth_asking(order, among) == result


@pytest.mark.rfc("5944", "3.6.1.2", 10)
def test_bits_are_never_set_that_the_agent_does_not_advertise() -> None:
    settings = replace(SETTINGS, encapsulations=(GRE, MINIMAL))
    for gre, minimal in product((False, True), repeat=2):
        _, payload = visiting(settings, gre=gre, minimal=minimal)
        message = parse(payload)
        assert isinstance(message, RegistrationRequest)
        assert (message.flags.gre, message.flags.minimal) == (gre, minimal and not gre)


def test_an_agent_that_begins_to_offer_more_is_asked_for_it() -> None:
    machine, payload = visiting(replace(SETTINGS, encapsulations=(GRE,)))
    answer(machine, payload, 0.1)
    assert machine.tunnel.encapsulation is IPIP
    actions = machine.handle(advertisement(1, lifetime=9000, gre=True), at(2))
    assert sent_request(actions).flags.gre


def test_what_the_home_agent_denied_is_not_asked_for_at_the_next_place_but_what_a_foreign_agent_denied() -> (
    None
):
    settings = replace(SETTINGS, encapsulations=(GRE, MINIMAL))
    for code, then in ((139, RequestFlags(minimal=True)), (72, RequestFlags(gre=True))):
        machine, payload = visiting(settings, gre=True, minimal=True)
        repaired = denied(machine, payload, 0.1, code) if code == 72 else answer(machine, payload, 0.1, code)
        assert sent_request(repaired).flags.minimal
        assert note(repaired, Reason.RETRYING).fields["how"] == "with another encapsulation"
        answer(machine, request_in(repaired), 0.2)
        down(machine, 1)
        up(machine, 2)
        other = advertisement(source=SECOND_AGENT, mac=OTHER_MAC, gre=True, minimal=True)
        flags = sent_request(machine.handle(other, at(2))).flags
        assert (flags.gre, flags.minimal) == (then.gre, then.minimal)


def test_a_co_located_node_changes_its_end_when_an_encapsulation_is_denied() -> None:
    machine = node(replace(SETTINGS, encapsulations=(GRE, MINIMAL)))
    up(machine, 0)
    actions = up(machine, 0.1, ADDRESS)
    for kind in (GRE, MINIMAL, IPIP):
        assert only(actions, InstallTunnel).encapsulation is kind
        flags = sent_request(actions).flags
        assert (flags.gre, flags.minimal) == (kind is GRE, kind is MINIMAL)
        actions = answer(machine, request_in(actions), 0.2, 139)
    assert none(actions, SendDatagram)  # nothing is left to change: later, in its time


# ---- the agents


def test_what_is_asked_for_and_offered() -> None:
    assert [asked(flags) for flags in (*BIT.values(), BOTH)] == [*BIT, None]
    assert offered(AgentFlags()) == ONLY_IPIP
    assert offered(AgentFlags(minimal=True, gre=True)) == {IPIP, GRE, MINIMAL}


@pytest.mark.rfc("3024", "4.3.1", 1)
@pytest.mark.parametrize("granted", SETS)
@pytest.mark.parametrize("kind", [*BIT, None])
def test_home_agent_grants_what_it_has(
    granted: frozenset[EncapsulationType], kind: EncapsulationType | None
) -> None:
    actions = ask_home(home(encapsulations=granted), request(flags=BOTH if kind is None else BIT[kind]))
    if kind in granted:
        assert only(actions, InstallTunnel).encapsulation is kind
        assert sent_reply(actions).code == 1
    else:
        assert none(actions, InstallTunnel)
        assert sent_reply(actions).code == 139
        assert reasons(actions) == [Reason.HA_ENCAPSULATION_UNAVAILABLE]


def test_a_node_can_have_a_policy_of_its_own() -> None:
    policies: PeerMap[NodePolicy] = PeerMap()
    policies.setdefault(HOME, NodePolicy(Lifetime(1000), encapsulations=frozenset({IPIP, GRE})))
    agent = home(policies=policies, encapsulations=frozenset({IPIP, MINIMAL}))
    assert sent_reply(ask_home(agent, request(flags=BIT[MINIMAL]))).code == 139
    assert sent_reply(ask_home(agent, request(0.1, flags=BIT[GRE]))).code == 1


def test_deregistration_needs_no_encapsulation() -> None:
    agent = home()
    ask_home(agent, request())
    assert sent_reply(ask_home(agent, request(1, lifetime=0, flags=BIT[GRE]), 1)).code == 0
    foreign = ForeignAgent(FOREIGN)
    assert reasons(ask_foreign(foreign, request(lifetime=0, flags=BOTH))) == [Reason.REQUEST_RELAYED]


def test_simultaneous_bindings_have_each_their_own() -> None:
    agent = home(max_simultaneous=3, encapsulations=SETS[3])
    places = [(CARE_OF, GRE), (OTHER_CARE_OF, MINIMAL), (ADDRESS.ip, IPIP)]
    for time, (care_of, kind) in enumerate(places):
        flags = replace(BIT[kind], simultaneous=True)
        actions = ask_home(agent, request(time, care_of=care_of, flags=flags), time)
        assert only(actions, InstallTunnel).encapsulation is kind
    assert [(one.care_of_address, one.encapsulation) for one in agent.bindings.of(HOME)] == places


def test_a_renewal_may_ask_for_another() -> None:
    agent = home(encapsulations=SETS[3])
    for time, kind in enumerate((GRE, IPIP, MINIMAL)):
        actions = ask_home(agent, request(time, flags=BIT[kind]), time)
        assert only(actions, InstallTunnel).encapsulation is kind
        assert note(actions, Reason.REGISTERED_NO_SIMULTANEOUS).fields.get("encapsulation", IPIP) is kind


@pytest.mark.rfc("3024", "4.2.1", 1)
@pytest.mark.parametrize("here", SETS)
@pytest.mark.parametrize("kind", [*BIT, None])
def test_foreign_agent_relays_what_it_has(
    here: frozenset[EncapsulationType], kind: EncapsulationType | None
) -> None:
    flags = BOTH if kind is None else BIT[kind]
    agent = ForeignAgent(replace(FOREIGN, encapsulations=here))
    actions = ask_foreign(agent, request(flags=flags))
    reason = Reason.REQUEST_RELAYED if kind in here else Reason.FA_ENCAPSULATION_UNAVAILABLE
    assert reasons(actions) == [reason]
    if kind not in here:
        assert sent_reply(actions).code == 72


def test_foreign_agent_has_no_say_about_the_tunnel_of_a_co_located_node() -> None:
    """RFC 5944 s3.6.1.2: the node may ask whenever it decapsulates itself."""
    flags = RequestFlags(decapsulation_by_mn=True, gre=True)
    actions = ask_foreign(ForeignAgent(FOREIGN), visit(request(care_of=OTHER_CARE_OF, flags=flags)))
    assert reasons(actions) == [Reason.REQUEST_RELAYED]


@pytest.mark.parametrize("kind", BIT)
def test_what_a_node_delivers_to_its_agent_is_tunnelled_as_agreed(kind: EncapsulationType) -> None:
    """RFC 3024 s5.2.2: "other methods of encapsulation MAY be used as negotiated at registration time"."""
    machine = node(replace(SETTINGS, encapsulating_delivery=True, encapsulations=(kind,)))
    up(machine, 0)
    tunnel = only(machine.handle(advertisement(gre=True, minimal=True), at(0)), InstallTunnel)
    assert (tunnel.encapsulation, tunnel.delivery) == (kind, DeliveryStyle.ENCAPSULATING)
    assert tunnel.local == HOME and machine.tunnel.delivery_to == tunnel.remote
