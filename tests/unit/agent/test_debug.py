"""Following one node: what is its, what is not, what becomes of a client that does not keep up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any

import pytest

from mobileip.control.agent.debug import (
    LONGEST_QUEUE,
    MOST_FOLLOWERS,
    Followers,
    Node,
    Record,
    TooManyFollowers,
)
from mobileip.control.core.actions import SendDatagram, SendIcmp
from mobileip.control.core.events import DatagramReceived, Tick
from mobileip.control.ops.nouns import RECORD
from mobileip.control.reasons import Reason
from mobileip.control.types import ZERO_ADDRESS, Endpoint
from mobileip.control.wire import NetworkAccessIdentifier
from tests.unit.core import factory

HOME, OTHER = factory.HOME, IPv4Address("192.0.2.99")
NODE_MAC = factory.NODE_MAC
NAI = NetworkAccessIdentifier("someone@example.net")


def asked(home_address: IPv4Address = HOME, **more: Any) -> DatagramReceived:
    return factory.datagram(factory.request(home_address=home_address, **more), mac=NODE_MAC)


def answered(request: DatagramReceived, mac: bytes | None = None) -> SendDatagram:
    payload = factory.reply(to=request.payload)
    return SendDatagram(payload, request.destination, request.source, link_destination=mac)


def records(
    node: str, happen: Callable[[Followers], None], count: int, *, everything: bool = False
) -> list[Record]:
    """The first ``count`` records of a follower after ``happen``, without the one that says that it begins."""

    async def scenario() -> list[Record]:
        followers = Followers(lambda: factory.at(0))
        assert not followers.listening
        stream = followers.follow(Node(node, everything))
        assert (await anext(stream))["event"] == "following"
        assert followers.listening
        happen(followers)
        async with asyncio.timeout(5):
            found = [await anext(stream) for _ in range(count)]
        assert set().union(*found) <= set(RECORD), "docs/show.md does not know a field"
        await stream.aclose()
        assert not followers.listening
        return found

    return asyncio.run(scenario())


def test_a_request_is_decoded_with_its_envelope() -> None:
    def happen(followers: Followers) -> None:
        followers.received(Tick())
        followers.received(asked(OTHER))
        followers.received(asked())

    (record,) = records(str(HOME), happen, 1)
    message = record.pop("message")
    assert record == {
        "time": "2027-01-15T08:00:00.000000Z",
        "event": "received",
        "interface": "core",
        "source": Endpoint(factory.CARE_OF, 434),
        "destination": Endpoint(factory.HOME_AGENT, 434),
        "ttl": 64,
        "link_address": NODE_MAC,
    }
    assert (message["type"], message["home_address"]) == ("registration request", str(HOME))


def test_a_reply_and_what_was_noted_follow() -> None:
    def happen(followers: Followers) -> None:
        followers.received(asked())
        followers.performed(answered(asked()))
        followers.performed(answered(asked(OTHER)))
        followers.noted(Reason.REGISTERED, {"home_address": OTHER})
        followers.noted(Reason.REGISTERED, {"home_address": HOME, "moved": "new"})

    _, sent, noted = records(str(HOME), happen, 3)
    assert (sent["event"], sent["message"]["type"]) == ("sent", "registration reply")
    assert noted["reason"] == "registered"
    assert noted["fields"] == {"home_address": HOME, "moved": "new"}


@pytest.mark.parametrize("name", ["02:00:00:00:00:01", "02-00-00-00-00-01"])
def test_a_link_layer_address_leads_to_the_home_address(name: str) -> None:
    """The answer of the home agent has no link-layer address of the node in it, but its home address."""

    def happen(followers: Followers) -> None:
        followers.received(factory.solicitation())
        followers.received(factory.solicitation(mac=factory.OTHER_MAC))
        followers.performed(answered(asked()))  # not known to be the node's yet
        followers.received(asked())
        followers.performed(answered(asked()))

    found = records(name, happen, 3)
    kinds = [record["message"]["type"] for record in found]
    assert kinds == ["agent solicitation", "registration request", "registration reply"]


def test_a_nai_leads_to_the_assigned_home_address() -> None:
    def happen(followers: Followers) -> None:
        followers.received(asked(ZERO_ADDRESS, before=(NetworkAccessIdentifier("other@example.net"),)))
        request = asked(ZERO_ADDRESS, before=(NAI,))
        followers.received(request)
        named = factory.reply(to=factory.request(before=(NAI,)), after=(NAI,))
        followers.performed(SendDatagram(named, request.destination, request.source))
        followers.noted(Reason.BINDING_EXPIRED, {"home_address": HOME})

    request, reply, noted = records("someone@EXAMPLE.net", happen, 3)
    assert request["message"]["home_address"] == "0.0.0.0"
    assert reply["message"]["home_address"] == str(HOME)
    assert noted["reason"] == "binding-expired"


def test_a_node_learns_a_few_names_only() -> None:
    node = Node("02:00:00:00:00:01")
    for number in range(10, 200):
        assert node.concerns(asked(IPv4Address(f"192.0.2.{number}")))
    foreign = factory.datagram(
        factory.request(home_address=IPv4Address("192.0.2.150")), mac=factory.OTHER_MAC
    )
    assert not node.concerns(foreign)


def test_what_cannot_be_decoded_is_told_with_the_reason() -> None:
    spoilt = factory.request()[:-3]

    def happen(followers: Followers) -> None:
        followers.received(factory.datagram(spoilt))

    (record,) = records(str(HOME), happen, 1)
    assert record["error"]["reason"] is Reason.TRUNCATED
    assert record["error"]["data"] == spoilt.hex()


def test_on_the_node_itself_everything_is_about_it() -> None:
    def happen(followers: Followers) -> None:
        followers.received(factory.advertisement())
        followers.performed(SendIcmp(b"\x0a\x00\xf5\xff\x00\x00\x00\x00", "eth0", None, HOME))
        followers.noted(Reason.LINK_UP, {"interface": "eth0"})

    heard, asked_for, noted = records(str(HOME), happen, 3, everything=True)
    assert heard["message"]["type"] == "agent advertisement"
    assert asked_for["message"]["type"] == "agent solicitation"
    assert noted["reason"] == "link-up"


@pytest.mark.parametrize("name", ["", "someone", "10.1.0", "02:00:00:00:00", "::1"])
def test_what_is_no_node(name: str) -> None:
    with pytest.raises(ValueError):
        Node(name)


def test_a_client_that_does_not_read_costs_a_bounded_queue_and_is_told() -> None:
    def happen(followers: Followers) -> None:
        for number in range(LONGEST_QUEUE + 7):
            followers.noted(Reason.REGISTERED, {"home_address": HOME, "number": number})

    async def scenario() -> None:
        followers = Followers(lambda: factory.at(0))
        stream = followers.follow(Node(str(HOME)))
        await anext(stream)
        happen(followers)
        for number in range(LONGEST_QUEUE):
            assert (await anext(stream))["fields"]["number"] == number
        followers.noted(Reason.DEREGISTERED, {"home_address": HOME})
        assert [(await anext(stream)).get(key) for key in ("count",)] == [7]
        assert (await anext(stream))["reason"] == "deregistered"
        await stream.aclose()

    asyncio.run(scenario())


def test_followers_are_bounded() -> None:
    async def scenario() -> None:
        followers = Followers(lambda: factory.at(0))
        streams = [followers.follow(Node(str(HOME))) for _ in range(MOST_FOLLOWERS)]
        for stream in streams:
            await anext(stream)
        with pytest.raises(TooManyFollowers):
            followers.follow(Node(str(HOME)))
        for stream in streams:
            await stream.aclose()
        assert not followers.listening
        await followers.follow(Node(str(HOME))).aclose()

    asyncio.run(scenario())
