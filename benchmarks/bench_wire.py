"""Cost of the wire and security layers in one registration, of which Python may take 50 us in all."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest

from mobileip.control.security import Algorithm, MobilitySecurityAssociation, Secret, check, sign, verify
from mobileip.control.types import Identification, Lifetime, Spi, seconds
from mobileip.control.wire import (
    AgentAdvertisement,
    AgentFlags,
    MobileHomeAuthentication,
    MobilityAgentAdvertisement,
    NetworkAccessIdentifier,
    PrefixLengths,
    RegistrationReply,
    RegistrationRequest,
    RequestFlags,
    RouterAddress,
    build,
    build_icmp,
    parse,
    parse_icmp,
)

NOW = 1_795_503_600_123_456_789
ADDRESS = IPv4Address("198.51.100.3")
REQUEST = RegistrationRequest(
    home_address=IPv4Address("192.0.2.1"),
    home_agent=IPv4Address("192.0.2.2"),
    care_of_address=ADDRESS,
    identification=Identification.from_wall(NOW, 0xABCD),
    lifetime=Lifetime(300),
    flags=RequestFlags(reverse_tunnel=True),
)
REPLY = RegistrationReply(
    code=0,
    lifetime=REQUEST.lifetime,
    home_address=REQUEST.home_address,
    home_agent=REQUEST.home_agent,
    identification=REQUEST.identification,
)
ADVERTISEMENT = AgentAdvertisement(
    lifetime=3,
    extensions=(
        MobilityAgentAdvertisement(
            7, Lifetime(1800), AgentFlags(foreign_agent=True, reverse_tunnel=True), (ADDRESS,)
        ),
        PrefixLengths((24,)),
    ),
    router_addresses=(RouterAddress(ADDRESS),),
)
ASSOCIATION = MobilitySecurityAssociation(Spi(256), Secret(bytes(range(16))))
SIGNED = sign(ASSOCIATION, build(REQUEST), MobileHomeAuthentication)


def bench_parse_request(benchmark: Any) -> None:
    assert benchmark(parse, SIGNED).identification == REQUEST.identification


def bench_parse_request_with_nai(benchmark: Any) -> None:
    plain = build(REQUEST) + NetworkAccessIdentifier("user@realm").encode()
    assert benchmark(parse, sign(ASSOCIATION, plain, MobileHomeAuthentication)).raw.startswith(plain)


def bench_build_request(benchmark: Any) -> None:
    assert benchmark(build, parse(SIGNED)) == SIGNED


@pytest.mark.parametrize("algorithm", Algorithm, ids=lambda algorithm: algorithm.value)
def bench_verify(benchmark: Any, algorithm: Algorithm) -> None:
    association = MobilitySecurityAssociation(Spi(256), ASSOCIATION.key, algorithm)
    message = parse(sign(association, build(REQUEST), MobileHomeAuthentication))
    assert benchmark(verify, association, message, message.extensions[0])


def bench_home_agent_share_of_a_registration(benchmark: Any) -> None:
    """Parse, verify, check the timestamp, build and sign the reply."""

    def registration() -> bytes:
        message = parse(SIGNED)
        found = message.first(MobileHomeAuthentication)
        assert found is not None and verify(ASSOCIATION, message, found)
        assert check(message.identification, NOW, None, seconds(7))
        return sign(ASSOCIATION, build(REPLY), MobileHomeAuthentication)

    assert len(benchmark(registration)) == 42


def bench_parse_advertisement(benchmark: Any) -> None:
    assert benchmark(parse_icmp, build_icmp(ADVERTISEMENT)) == ADVERTISEMENT


def bench_build_advertisement(benchmark: Any) -> None:
    assert parse_icmp(benchmark(build_icmp, ADVERTISEMENT)) == ADVERTISEMENT
