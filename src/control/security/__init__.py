"""Who shares which key, authenticators, and replay protection. Pure: time and chance are arguments."""

from mobileip.control.security.association import Algorithm, AssociationTable, MobilitySecurityAssociation
from mobileip.control.security.authenticator import sign, verify
from mobileip.control.security.replay import Timestamps, check, resynchronise
from mobileip.control.security.secret import Secret

__all__ = [
    "Algorithm",
    "AssociationTable",
    "MobilitySecurityAssociation",
    "Secret",
    "Timestamps",
    "check",
    "resynchronise",
    "sign",
    "verify",
]
