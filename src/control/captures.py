"""Captures of tunnels: begun in the daemon, read by ``mobileip capture`` in a process of its own."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Final

from mobileip.control.ports import ActionError
from mobileip.dataplane import Capture, CapturedPacket, CaptureReader, Engine

__all__ = ["LONGEST_PACKET", "Capture", "CaptureReader", "CapturedPacket", "Captures"]

LONGEST_PACKET: Final = 65535  # bytes: an IPv4 total length


class Captures:
    """Those of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine: Final = engine

    def begin(self, address: IPv4Address | None, snap: int) -> Capture:
        """Copy what goes in and out of the tunnels of ``address``, or of all; the caller closes the descriptor.

        At most ``snap`` bytes of each packet.

        :raises ActionError: there are too many captures.
        """
        try:
            return self._engine.capture(address, snap)
        except OSError as error:
            raise ActionError(error.strerror or str(error)) from error

    def end(self, number: int) -> None:
        """Nothing happens if it has ended, as all have when the engine is closed."""
        self._engine.end_capture(number)
