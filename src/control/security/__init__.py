"""Who shares which key, authenticators, and replay protection. Pure: time and chance are arguments."""

from mobileip.control.security.association import (
    Algorithm,
    AssociationTable,
    MobilitySecurityAssociation,
    ReplayMethod,
    chosen,
)
from mobileip.control.security.authenticator import digest, is_authentic, proven, sign, verify
from mobileip.control.security.chap import CHAP_SPI, Chap, as_chap, sign_for_aaa
from mobileip.control.security.nonces import IssuedNonces, Nonces, draw
from mobileip.control.security.peers import Peer, PeerMap
from mobileip.control.security.replay import Timestamps, check, is_fresh, resynchronise
from mobileip.control.security.secret import Secret

__all__ = [
    "CHAP_SPI",
    "Algorithm",
    "AssociationTable",
    "Chap",
    "IssuedNonces",
    "MobilitySecurityAssociation",
    "Nonces",
    "Peer",
    "PeerMap",
    "ReplayMethod",
    "Secret",
    "Timestamps",
    "as_chap",
    "check",
    "chosen",
    "digest",
    "draw",
    "is_authentic",
    "is_fresh",
    "proven",
    "resynchronise",
    "sign",
    "sign_for_aaa",
    "verify",
]
