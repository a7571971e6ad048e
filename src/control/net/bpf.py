"""Classic BPF: what a socket does not want is dropped before it wakes the daemon.

A program is a list of (code, jump if true, jump if false, operand); jumps count the instructions that are
skipped.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
from typing import Final

Instruction = tuple[int, int, int, int]

LOAD_BYTE, LOAD_HALF, LOAD_WORD = 0x30, 0x28, 0x20  # A = packet[operand]
LOAD_BYTE_X, LOAD_HALF_X = 0x50, 0x48  # A = packet[X + operand]
HEADER_LENGTH: Final = 0xB1  # X = 4 * (packet[operand] & 0xf)
JUMP_EQUAL, JUMP_GREATER_EQUAL, JUMP_SET = 0x15, 0x35, 0x45
RETURN: Final = 0x06
ACCEPT: Final[Instruction] = (RETURN, 0, 0, 0x40000)
DROP: Final[Instruction] = (RETURN, 0, 0, 0)

_SO_ATTACH_FILTER: Final = 26
# Ancillary data SKF_AD_PKTTYPE: 0 to us, 1 broadcast, 2 multicast, 3 to others, 4 from us.
_PACKET_TYPE: Final = 0xFFFFF004


def attach(where: socket.socket, program: list[Instruction]) -> None:
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code)
    where.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program), ctypes.addressof(buffer))
    )


def _whole_packets_for_us(protocol: int, rest: list[Instruction]) -> list[Instruction]:
    """``rest`` judges packets of ``protocol`` that are no fragments, with X at the transport header."""
    head: list[Instruction] = [
        (LOAD_WORD, 0, 0, _PACKET_TYPE),
        (JUMP_GREATER_EQUAL, 5 + len(rest), 0, 3),
        (LOAD_BYTE, 0, 0, 9),
        (JUMP_EQUAL, 0, 3 + len(rest), protocol),
        (LOAD_HALF, 0, 0, 6),
        (JUMP_SET, 1 + len(rest), 0, 0x3FFF),
        (HEADER_LENGTH, 0, 0, 0),
    ]
    return [*head, *rest, DROP]


def udp_to_port(port: int) -> list[Instruction]:
    """For a socket that sees packets from the IPv4 header on."""
    return _whole_packets_for_us(17, [(LOAD_HALF_X, 0, 0, 2), (JUMP_EQUAL, 0, 1, port), ACCEPT])


def icmp_of_types(first: int, second: int) -> list[Instruction]:
    return _whole_packets_for_us(
        1, [(LOAD_BYTE_X, 0, 0, 0), (JUMP_EQUAL, 1, 0, first), (JUMP_EQUAL, 0, 1, second), ACCEPT]
    )


def icmp_errors_about_tunnels() -> list[Instruction]:
    """Unreachable, source quench, redirect, time exceeded and parameter problem that quote IP-in-IP, GRE or minimal
    encapsulation. For a raw socket: it gets no fragments, and only what is for this host.
    """
    return [
        (HEADER_LENGTH, 0, 0, 0),
        (LOAD_BYTE_X, 0, 0, 0),
        (JUMP_EQUAL, 4, 0, 3),
        (JUMP_EQUAL, 3, 0, 4),
        (JUMP_EQUAL, 2, 0, 5),
        (JUMP_EQUAL, 1, 0, 11),
        (JUMP_EQUAL, 0, 5, 12),
        (LOAD_BYTE_X, 0, 0, 8 + 9),
        (JUMP_EQUAL, 2, 0, 4),
        (JUMP_EQUAL, 1, 0, 47),
        (JUMP_EQUAL, 0, 1, 55),
        ACCEPT,
        DROP,
    ]


def echo_replies(identifier: int) -> list[Instruction]:
    """ICMP echo replies with this identifier; for a raw socket."""
    return [
        (HEADER_LENGTH, 0, 0, 0),
        (LOAD_BYTE_X, 0, 0, 0),
        (JUMP_EQUAL, 0, 3, 0),
        (LOAD_HALF_X, 0, 0, 4),
        (JUMP_EQUAL, 0, 1, identifier),
        ACCEPT,
        DROP,
    ]


def no_routes_but_default(new: int, deleted: int, table: int) -> list[Instruction]:
    """For rtnetlink notifications: of route messages (types ``new``, ``deleted``) only ``table``'s default
    routes.

    Netlink is in host byte order, and BPF loads in network order.
    """
    new, deleted = (int.from_bytes(value.to_bytes(2, sys.byteorder), "big") for value in (new, deleted))
    return [
        (LOAD_HALF, 0, 0, 4),
        (JUMP_EQUAL, 1, 0, new),
        (JUMP_EQUAL, 0, 4, deleted),
        (LOAD_BYTE, 0, 0, 17),  # rtm_dst_len
        (JUMP_EQUAL, 0, 3, 0),
        (LOAD_BYTE, 0, 0, 20),  # rtm_table
        (JUMP_EQUAL, 0, 1, table),
        ACCEPT,
        DROP,
    ]


def no_routes_of(new: int, deleted: int, protocol: int) -> list[Instruction]:
    """For rtnetlink notifications: everything but the route messages (types ``new``, ``deleted``) of ``protocol``."""
    new, deleted = (int.from_bytes(value.to_bytes(2, sys.byteorder), "big") for value in (new, deleted))
    return [
        (LOAD_HALF, 0, 0, 4),
        (JUMP_EQUAL, 1, 0, new),
        (JUMP_EQUAL, 0, 2, deleted),
        (LOAD_BYTE, 0, 0, 21),  # rtm_protocol
        (JUMP_EQUAL, 1, 0, protocol),
        ACCEPT,
        DROP,
    ]
