"""Who shares which key, authenticators, and replay protection. Pure: time and chance are arguments."""

from mobileip.control.security.association import (
    Algorithm,
    AssociationTable,
    MobilitySecurityAssociation,
    ReplayMethod,
)
from mobileip.control.security.authenticator import digest, is_authentic, proven, sign, verify
from mobileip.control.security.nonces import IssuedNonces, Nonces, draw
from mobileip.control.security.peers import Peer, PeerMap
from mobileip.control.security.replay import Timestamps, check, is_fresh, resynchronise
from mobileip.control.security.secret import Secret

__all__ = [
    "Algorithm",
    "AssociationTable",
    "IssuedNonces",
    "MobilitySecurityAssociation",
    "Nonces",
    "Peer",
    "PeerMap",
    "ReplayMethod",
    "Secret",
    "Timestamps",
    "check",
    "digest",
    "draw",
    "is_authentic",
    "is_fresh",
    "proven",
    "resynchronise",
    "sign",
    "verify",
]
