"""RADIUS packets that ask for keys, or whether a node's proof is right, and what answers hold (RFC 2865): Cisco's
pairs, 3GPP2's SPI and shared key.

pyrad encodes and verifies. This module reads no clock and opens nothing; random bits are pyrad's, from the system.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address
from typing import Any, Final

from pyrad import packet
from pyrad.dictionary import Dictionary

from mobileip.control.aaa.avpairs import Read, Unsaid, collect, key, read
from mobileip.control.aaa.sources import Answer, Found, Unavailable, Unknown
from mobileip.control.security import Chap, MobilitySecurityAssociation, Secret
from mobileip.control.types import Spi

IDENTIFIERS: Final = 256  # RFC 2865 s3: one byte
LONGEST_PACKET: Final = 4096  # bytes (RFC 2865 s3)
USER: Final = "{user}"  # in a password: the User-Name
_VIRTUAL: Final = 5  # NAS-Port-Type (RFC 2865 s5.41)
_MESSAGE_AUTHENTICATOR: Final = 80  # RFC 3579 s3.2
_FRAMED_IP_ADDRESS: Final = 8
_SESSION_TIMEOUT: Final = 27
_REPLY_MESSAGE: Final = 18
_CISCO_AVPAIR: Final = (9, 1)  # vendor and its type
_MN_HA_SPI: Final = (5535, 57)  # 3GPP2 X.S0011-005
_MN_HA_SHARED_KEY: Final = (5535, 58)  # salted as RFC 2868 s3.5 says
_MOBILE_IP: Final = "mobileip:"
_CHOOSE: Final = (IPv4Address("255.255.255.255"), IPv4Address("255.255.255.254"))

# The few names that requests need; answers are read by number. pyrad has no dictionary of its own.
DICTIONARY: Final = Dictionary(
    io.StringIO(
        """
ATTRIBUTE User-Name 1 string
ATTRIBUTE User-Password 2 octets
ATTRIBUTE CHAP-Password 3 octets
ATTRIBUTE NAS-IP-Address 4 ipaddr
ATTRIBUTE Service-Type 6 integer
ATTRIBUTE Framed-IP-Address 8 ipaddr
ATTRIBUTE Class 25 octets
ATTRIBUTE NAS-Identifier 32 string
ATTRIBUTE Proxy-State 33 octets
ATTRIBUTE Acct-Status-Type 40 integer
ATTRIBUTE Acct-Delay-Time 41 integer
ATTRIBUTE Acct-Input-Octets 42 integer
ATTRIBUTE Acct-Output-Octets 43 integer
ATTRIBUTE Acct-Session-Id 44 string
ATTRIBUTE Acct-Authentic 45 integer
ATTRIBUTE Acct-Session-Time 46 integer
ATTRIBUTE Acct-Input-Packets 47 integer
ATTRIBUTE Acct-Output-Packets 48 integer
ATTRIBUTE Acct-Terminate-Cause 49 integer
ATTRIBUTE Acct-Input-Gigawords 52 integer
ATTRIBUTE Acct-Output-Gigawords 53 integer
ATTRIBUTE Event-Timestamp 55 date
ATTRIBUTE CHAP-Challenge 60 octets
ATTRIBUTE NAS-Port-Type 61 integer
ATTRIBUTE Tunnel-Client-Endpoint 66 string
ATTRIBUTE Tunnel-Server-Endpoint 67 string
ATTRIBUTE Message-Authenticator 80 octets
VENDOR 3GPP2 5535
BEGIN-VENDOR 3GPP2
ATTRIBUTE 3GPP2-Home-Agent-IP-Address 7 ipaddr
ATTRIBUTE 3GPP2-MN-HA-SPI 57 integer
ATTRIBUTE 3GPP2-MN-HA-Shared-Key 58 octets encrypt=2
END-VENDOR 3GPP2
"""
    )
)


@dataclass(frozen=True, slots=True)
class Client:
    """What we say of ourselves, and how nodes are named. ``password`` may hold ``{user}``, the User-Name."""

    nas_identifier: str
    password: Secret
    nas_address: IPv4Address | None = None
    service_type: int | None = 5  # Outbound: the user does not log in (RFC 2865 s5.6)


class Request:
    """One packet that asks, as it is sent and sent again; and who can tell its answers from others."""

    def __init__(self, made: Any) -> None:
        self._packet = made
        self.data: Final[bytes] = made.RequestPacket()

    @property
    def identifier(self) -> int:
        return self.data[1]

    def answer(self, data: bytes) -> Any:
        """The answer in ``data``.

        :raises Forgery: it does not prove that it is the server's: a wrong Response Authenticator, for an access
            request no Message-Authenticator or a wrong one, or a Proxy-State that we did not send (CVE-2024-3596).
        """
        try:
            answer = self._packet.CreateReply(packet=data)
        except packet.PacketError as error:
            raise Forgery(f"is no RADIUS packet: {error}") from None
        answer.request_authenticator = self._packet.authenticator
        if self._packet.VerifyReply(answer, data, enforce_ma=True):
            return answer
        if _MESSAGE_AUTHENTICATOR not in answer and self._packet.code == packet.AccessRequest:
            raise Forgery("has no Message-Authenticator")
        raise Forgery("has a wrong authenticator")


class Forgery(Exception):
    """A packet is not what the server sent in answer; one clause that says why."""


def access_request(identifier: int, secret: Secret, user: str, client: Client, spi: Spi) -> Request:
    """Asks for the key of ``user`` that ``spi`` names; ``identifier`` is 0 to 255."""
    made = _asking(identifier, secret, user, client)
    password = client.password.reveal().replace(USER.encode(), user.encode())
    made["User-Password"] = made.PwCrypt(password)
    made["3GPP2-MN-HA-SPI"] = spi
    return Request(made)


def chap_request(
    identifier: int,
    secret: Secret,
    user: str,
    chap: Chap,
    client: Client,
    home_address: IPv4Address | None = None,
    spi: Spi | None = None,
) -> Request:
    """Asks whether ``user``, who wants to register ``home_address``, has made ``chap`` (RFC 4721 s8); with ``spi`` also
    for the key that it names.
    """
    made = _asking(identifier, secret, user, client)
    made["CHAP-Password"] = bytes((chap.identifier,)) + chap.response
    made["CHAP-Challenge"] = chap.challenge
    if home_address is not None:
        made["Framed-IP-Address"] = str(home_address)
    if spi is not None:
        made["3GPP2-MN-HA-SPI"] = spi
    return Request(made)


def _asking(identifier: int, secret: Secret, user: str, client: Client) -> Any:
    """What all access requests have in common: who is asked about, and who asks."""
    made = packet.AuthPacket(id=identifier, secret=secret.reveal(), dict=DICTIONARY)
    made.add_message_authenticator()  # first, so that nothing before it can be chosen by an attacker
    made["User-Name"] = user
    if client.service_type is not None:
        made["Service-Type"] = client.service_type
    if client.nas_address is not None:
        made["NAS-IP-Address"] = str(client.nas_address)
    made["NAS-Identifier"] = client.nas_identifier
    made["NAS-Port-Type"] = _VIRTUAL
    return made


def associations(answer: Any, unsaid: Unsaid, spi: Spi) -> Read:
    """Everything that an Access-Accept tells of keys: Cisco's pairs, then 3GPP2's.

    A key of 3GPP2's without an SPI is that of ``spi``, which was asked for.
    """
    pairs = [_text(value) for value in answer.get(_CISCO_AVPAIR, ())]
    cisco = read([pair[len(_MOBILE_IP) :] for pair in pairs if pair.lower().startswith(_MOBILE_IP)], unsaid)
    spis, keys = answer.get(_MN_HA_SPI, ()), answer.get(_MN_HA_SHARED_KEY, ())
    if not spis and len(keys) == 1:
        spis = (spi.to_bytes(4),)
    threegpp2 = collect(
        (f"3GPP2-MN-HA-SPI {number}", partial(_threegpp2, answer, spis, keys, number, unsaid))
        for number in range(max(len(spis), len(keys)))
    )
    known = {one.spi for one in cisco.associations}  # told in both formats: Cisco's says more
    more = tuple(one for one in threegpp2.associations if one.spi not in known)
    return Read(cisco.associations + more, cisco.refused + threegpp2.refused)


def _threegpp2(answer: Any, spis: Any, keys: Any, number: int, unsaid: Unsaid) -> MobilitySecurityAssociation:
    if number >= len(spis) or number >= len(keys):
        raise ValueError("there is no MN-HA-Shared-Key with it" if number < len(spis) else "is missing")
    spi, hidden = spis[number], keys[number]
    if len(spi) != 4:
        raise ValueError(f"it has {len(spi)} bytes, not 4")
    try:
        shared = answer.SaltDecrypt(hidden)
    except packet.PacketError as error:
        raise ValueError(f"MN-HA-Shared-Key: {error}") from None
    return MobilitySecurityAssociation(
        Spi(int.from_bytes(spi)), key(shared), unsaid.algorithm, unsaid.replay_tolerance_s, unsaid.replay
    )


def accepts(answer: Any) -> bool:
    """Whether a verified answer says that the proof is right."""
    return bool(answer.code == packet.AccessAccept)


def conclusion(answer: Any, unsaid: Unsaid, spi: Spi) -> tuple[Answer, tuple[str, ...]]:
    """What a verified answer to an access request for ``spi`` says of the peer, and what of it cannot be used.

    Whether a server that refuses knows no such peer or no such SPI of it, it does not say.
    """
    if answer.code == packet.AccessReject:
        return Unknown(spi), ()
    if answer.code != packet.AccessAccept:
        said = "; ".join(map(_text, answer.get(_REPLY_MESSAGE, ())))
        why = f"RADIUS packet with code {answer.code} is neither Access-Accept nor Access-Reject"
        return Unavailable(f"{why}: {said!r}" if said else why), ()
    told = associations(answer, unsaid, spi)
    if not told.associations:
        return Unknown(spi), told.refused
    # 3GPP2's servers choose by the SPI. All that Cisco's know of a node is in the answer.
    chosen = spi if _CISCO_AVPAIR not in answer and [one.spi for one in told.associations] == [spi] else None
    return Found(told.associations, _lifetime(answer), chosen, _home_address(answer)), told.refused


def _lifetime(answer: Any) -> float | None:
    """Session-Timeout, in seconds: for so long the server's word is good (RFC 2865 s5.27)."""
    for value in answer.get(_SESSION_TIMEOUT, ()):
        if len(value) == 4 and any(value):
            return float(int.from_bytes(value))
    return None


def _home_address(answer: Any) -> IPv4Address | None:
    """Framed-IP-Address, unless it says who else is to choose (RFC 2865 s5.8)."""
    for value in answer.get(_FRAMED_IP_ADDRESS, ()):
        if len(value) == 4 and (address := IPv4Address(value)) not in _CHOOSE:
            return address
    return None


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
