"""What happened, for people: messages decoded."""

from __future__ import annotations

from mobileip.control.core.actions import Noted, SendDatagram
from mobileip.control.core.events import DatagramReceived, LinkChanged, UnreachableReceived
from mobileip.control.wire import RegistrationReply, RegistrationRequest, WireError, parse
from mobileip.control.wire.pretty import line


def tell(said: object) -> str:
    """One line."""
    match said:
        case Noted():
            return " ".join([said.reason.label, *(f"{key}={value}" for key, value in said.fields.items())])
        case DatagramReceived():
            return f"<- {said.source.address} on {said.interface}: {_decoded(said.payload)}"
        case SendDatagram():
            return f"-> {said.destination.address}: {_decoded(said.payload)}"
        case LinkChanged():
            state = "up" if said.up else "down"
            return f"<- {said.interface} {state} {','.join(map(str, said.addresses))} via {said.gateway}"
        case UnreachableReceived():
            return f"<- {said.destination.address} unreachable, code {said.code}"
        case _:
            return str(said)


def _decoded(payload: bytes) -> str:
    try:
        message = parse(payload)
    except WireError as error:
        return f"{len(payload)} bytes, {error}"
    if isinstance(message, RegistrationRequest | RegistrationReply):
        return line(message)
    return type(message).__name__
