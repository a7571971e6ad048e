"""Registration messages as rows of arrays (RFC 5944 s3.3, s3.4): a second, independent writer and reader of them.

A row is an optional frame head (Ethernet, IPv4, UDP), then a request with one Mobile-Home Authentication
Extension, signed with HMAC-MD5.
"""

from __future__ import annotations

import hmac
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tools.load.population import Population

NTP_EPOCH: Final = 2_208_988_800  # seconds from 1900 to 1970 (RFC 5905)
PORT: Final = 434

# Flag bits of a request.
DECAPSULATION_BY_MN: Final = 0x20
REVERSE_TUNNEL: Final = 0x02

_AUTHENTICATION: Final = [("ext", "u1"), ("ext_length", "u1"), ("spi", ">u4"), ("authenticator", "V16")]
REQUEST: Final = np.dtype(
    [
        ("type", "u1"), ("flags", "u1"), ("lifetime", ">u2"), ("home", ">u4"), ("agent", ">u4"),
        ("care_of", ">u4"), ("identification", ">u8"), *_AUTHENTICATION,
    ]
)  # fmt: skip
REPLY: Final = np.dtype(
    [
        ("type", "u1"), ("code", "u1"), ("lifetime", ">u2"), ("home", ">u4"), ("agent", ">u4"),
        ("identification", ">u8"), *_AUTHENTICATION,
    ]
)  # fmt: skip
FRAME: Final = np.dtype(
    [
        ("to", "V6"), ("from", "V6"), ("ethertype", ">u2"),
        ("version", "u1"), ("tos", "u1"), ("total", ">u2"), ("id", ">u2"), ("fragment", ">u2"), ("ttl", "u1"),
        ("protocol", "u1"), ("checksum", ">u2"), ("source", ">u4"), ("destination", ">u4"),
        ("source_port", ">u2"), ("destination_port", ">u2"), ("udp_length", ">u2"), ("udp_checksum", ">u2"),
    ]
)  # fmt: skip

REQUEST_COVERED: Final = REQUEST.itemsize - 16  # bytes that the authenticator is over (s3.5.1)
REPLY_COVERED: Final = REPLY.itemsize - 16
_MHAE: Final = 32


def view(rows: NDArray[np.uint8], layout: np.dtype[np.void], offset: int) -> NDArray[np.void]:
    """The bytes of each row from ``offset`` on, as records; shares the memory."""
    return rows[:, offset : offset + layout.itemsize].view(layout)[:, 0]


def timestamps(wall_ns: int, count: int) -> NDArray[np.uint64]:
    """``count`` growing NTP timestamps from ``wall_ns`` (since 1970) on, 2**-32 s apart."""
    whole, rest = divmod(wall_ns, 1_000_000_000)
    first = ((whole + NTP_EPOCH) & 0xFFFF_FFFF) << 32 | (rest << 32) // 1_000_000_000
    return np.uint64(first) + np.arange(count, dtype=np.uint64)


def prepare(requests: NDArray[np.void], agent: int, spi: int) -> None:
    """Everything that is the same in every request to ``agent``."""
    requests["type"] = 1
    requests["agent"] = agent
    requests["ext"] = _MHAE
    requests["ext_length"] = 4 + 16
    requests["spi"] = spi


def sign(
    rows: NDArray[np.uint8], offset: int, covered: int, nodes: NDArray[np.int64], population: Population
) -> None:
    """Write the authenticators of the first ``len(nodes)`` rows, the messages in which begin at ``offset``."""
    memory, size = rows.reshape(-1).data, rows.shape[1]
    digest, end = hmac.digest, offset + covered
    start = 0
    for node in nodes.tolist():
        position = start + end
        memory[position : position + 16] = digest(
            population.key_of(node), memory[start + offset : position], "md5"
        )
        start += size


def is_authentic(reply: bytes, key: bytes) -> bool:
    """Whether the 42 bytes of ``reply`` carry the right authenticator."""
    return hmac.compare_digest(hmac.digest(key, reply[:REPLY_COVERED], "md5"), reply[REPLY_COVERED:])


def prepare_frames(
    frames: NDArray[np.void], *, to: bytes, sender: bytes, destination: int, payload: int
) -> None:
    """Everything that is the same in the heads of frames to one agent; the source address is still to be set."""
    frames["to"] = np.void(to)
    frames["from"] = np.void(sender)
    frames["ethertype"] = 0x0800
    frames["version"] = 0x45
    frames["ttl"] = 255  # RFC 5944 s3.6.1.1: less has been forwarded, and a foreign agent refuses it
    frames["protocol"] = 17
    frames["destination"] = destination
    frames["source_port"] = PORT
    frames["destination_port"] = PORT
    set_lengths(frames, payload)


def set_lengths(frames: NDArray[np.void], payload: NDArray[np.integer] | int) -> None:
    frames["total"] = 28 + np.asarray(payload)
    frames["udp_length"] = 8 + np.asarray(payload)


def set_sources(frames: NDArray[np.void], sources: NDArray[np.integer]) -> None:
    """Source addresses, and the IPv4 checksums that follow (RFC 1071); UDP's is left out, as s3.1 allows."""
    frames["source"] = sources
    frames["checksum"] = 0
    words = np.ascontiguousarray(frames).view(np.uint8).reshape(len(frames), -1)[:, 14:34].copy().view(">u2")
    total = words.sum(axis=1, dtype=np.uint32)
    total = (total >> 16) + (total & 0xFFFF)
    frames["checksum"] = 0xFFFF - ((total >> 16) + (total & 0xFFFF))
