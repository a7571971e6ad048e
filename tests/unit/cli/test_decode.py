"""``mobileip decode``."""

from __future__ import annotations

import json
import struct
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mobileip.control.cli.decode import decode
from mobileip.control.wire import parse, parse_icmp, pretty
from tests.judges import need
from tests.vectors.load import octets, vectors

REQUEST = octets(vectors("registration")[1]["hex"])
ADVERTISEMENT = octets(vectors("advertisement")[0]["hex"])
REQUEST_TREE = pretty.tree(parse(REQUEST))
ADVERTISEMENT_TREE = pretty.tree(parse_icmp(ADVERTISEMENT))
BROKEN = REQUEST[:-1]


def run(*arguments: str, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(decode, arguments, input=stdin)


def refused(result: Result) -> str:
    """The one sentence of an error."""
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ") and result.stderr.count("\n") == 1
    return result.stderr


def ipv4(protocol: int, body: bytes) -> bytes:
    return (
        struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, protocol, 0)
        + bytes((192, 0, 2, 5, 192, 0, 2, 1))
        + body
    )


def udp(payload: bytes, port: int = 434) -> bytes:
    return ipv4(17, struct.pack("!HHHH", 40000, port, 8 + len(payload), 0) + payload)


PACKETS = [udp(REQUEST), udp(b"other traffic", 53), ipv4(1, ADVERTISEMENT), udp(BROKEN), ipv4(6, bytes(20))]
LINK_HEADERS = {
    1: bytes(12) + b"\x08\x00",
    101: b"",
    113: bytes(14) + b"\x08\x00",
    228: b"",
    276: b"\x08\x00" + bytes(18),
}


def pcap(
    link_type: int, packets: list[bytes], order: str = "<", magic: int = 0xA1B2C3D4, part: int = 0
) -> bytes:
    file = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link_type)
    for packet in packets:
        frame = LINK_HEADERS.get(link_type, b"") + packet
        file += struct.pack(order + "IIII", 1_795_503_600, part, len(frame), len(frame)) + frame
    return file


def block(kind: int, body: bytes, order: str) -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack(order + "II", kind, len(body) + 12) + body + struct.pack(order + "I", len(body) + 12)


def pcapng(packets: list[bytes], order: str = "<") -> bytes:
    """Two interfaces, microseconds by default and nanoseconds by option; packets alternate between them."""
    file = block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)
    file += block(1, struct.pack(order + "HHI", 1, 0, 0), order)
    resolution = struct.pack(order + "HH4s", 9, 1, b"\x09") + struct.pack(order + "HH", 0, 0)
    comment = struct.pack(order + "HH8s", 2, 5, b"eth0\x00")
    file += block(1, struct.pack(order + "HHI", 101, 0, 0) + comment + resolution, order)
    file += block(5, bytes(20), order)  # interface statistics
    for index, packet in enumerate(packets):
        interface = index % 2
        units = 1_795_503_600_123_456_789 // (1 if interface else 1000)
        frame = packet if interface else LINK_HEADERS[1] + packet
        head = struct.pack(
            order + "IIIII", interface, units >> 32, units & 0xFFFF_FFFF, len(frame), len(frame)
        )
        file += block(6, head + frame, order)
    return file


@pytest.mark.parametrize(
    "digits",
    [
        REQUEST.hex(),
        REQUEST.hex(" "),
        REQUEST.hex(":").upper(),
        "\n".join(REQUEST.hex(" ", 16).split(" ")) + "\n",
    ],
    ids=["plain", "spaces", "colons", "lines"],
)
def test_hex_digits(digits: str, tmp_path: Path) -> None:
    text = tmp_path / "message.hex"
    text.write_text(digits)
    for result in (run(digits), run("-", stdin=digits.encode()), run(str(text))):
        assert (result.exit_code, result.output) == (0, REQUEST_TREE + "\n")


def test_digits_may_begin_at_the_icmp_type_or_at_an_ipv4_header() -> None:
    assert run(ADVERTISEMENT.hex()).output == ADVERTISEMENT_TREE + "\n"
    assert run(ipv4(1, ADVERTISEMENT).hex()).output == ADVERTISEMENT_TREE + "\n"
    assert run(udp(REQUEST).hex()).output == REQUEST_TREE + "\n"
    assert "neither UDP port 434 nor ICMP" in refused(run(udp(REQUEST, 53).hex()))


def test_json() -> None:
    assert json.loads(run("--json", REQUEST.hex()).output) == pretty.fields(parse(REQUEST))


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (
            "no-such-file.pcap",
            "neither an existing file, nor a capture, nor an even number of hexadecimal digits",
        ),
        ("0102f", "neither an existing file"),
        ("", "nothing to decode"),
        (" ", "nothing to decode"),
        (BROKEN.hex(), "data of extension 33 at byte 63 needs 20 bytes, 19 are left (truncated)"),
        ("04", "message type 4 is not handled (unknown-message-type)"),
        ("5", "neither an existing file"),
        ("0900 f6fd 0002 0000", "without mobility extension (not-an-agent)"),
        ("ü" * 300, "neither an existing file"),
        (REQUEST.hex() * 500, "not known and may not be skipped (unknown-extension)"),
        ("/", "cannot read /: Is a directory"),
    ],
)
def test_bad_input_is_one_sentence(source: str, sentence: str) -> None:
    assert sentence in refused(run(source))


@pytest.mark.parametrize("link_type", LINK_HEADERS)
def test_link_types(link_type: int) -> None:
    result = run("-", stdin=pcap(link_type, PACKETS, part=123456))
    assert result.exit_code == 0
    assert result.output == (
        "1  2026-11-24 07:00:00.123456 UTC  192.0.2.5:40000 > 192.0.2.1:434\n"
        f"{REQUEST_TREE}\n\n"
        "3  2026-11-24 07:00:00.123456 UTC  192.0.2.5 > 192.0.2.1\n"
        f"{ADVERTISEMENT_TREE}\n\n"
        "4  2026-11-24 07:00:00.123456 UTC  192.0.2.5:40000 > 192.0.2.1:434\n"
        "not decoded\n"
        "  reason: truncated\n"
        "  error: data of extension 33 at byte 63 needs 20 bytes, 19 are left\n\n"
    )


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "part"), [(0xA1B2C3D4, 123456), (0xA1B23C4D, 123456789)])
def test_byte_orders_and_resolutions_of_pcap(order: str, magic: int, part: int) -> None:
    output = run("-", stdin=pcap(1, PACKETS, order, magic, part)).output
    assert output.startswith("1  2026-11-24 07:00:00.123456 UTC  192.0.2.5:40000 > 192.0.2.1:434\n")


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng(order: str, tmp_path: Path) -> None:
    file = tmp_path / "link.pcapng"
    file.write_bytes(pcapng(PACKETS, order))
    lines = [json.loads(line) for line in run("--json", str(file)).output.splitlines()]
    assert [line["number"] for line in lines] == [1, 3, 4]
    assert {line["time"] for line in lines} == {"2026-11-24 07:00:00.123456 UTC"}
    assert [line["source"] for line in lines] == ["192.0.2.5:40000", "192.0.2.5", "192.0.2.5:40000"]
    assert lines[0]["message"] == pretty.fields(parse(REQUEST))
    assert lines[2]["message"]["reason"] == "truncated"


def test_pcapng_simple_packet_has_no_time() -> None:
    frame = LINK_HEADERS[1] + udp(REQUEST)
    file = pcapng([]) + block(3, struct.pack("<I", len(frame)) + frame, "<")
    assert run("-", stdin=file).output == f"1  no time  192.0.2.5:40000 > 192.0.2.1:434\n{REQUEST_TREE}\n\n"


def test_capture_rewritten_by_editcap_reads_the_same(tmp_path: Path) -> None:
    need("editcap")
    one, two = tmp_path / "one.pcap", tmp_path / "two.pcapng"
    one.write_bytes(pcap(1, PACKETS, part=123456))
    subprocess.run(
        ["editcap", "-F", "pcapng", str(one), str(two)], check=True, capture_output=True, timeout=60
    )
    assert two.read_bytes()[:4] == b"\n\r\r\n"
    assert run(str(two)).output == run(str(one)).output


def test_vlan_tags_are_stepped_over() -> None:
    tagged = bytes(12) + bytes.fromhex("88a8 0001 8100 0002 0800") + udp(REQUEST)
    file = pcap(0, [tagged]).replace(struct.pack("<II", 65535, 0), struct.pack("<II", 65535, 1), 1)
    assert REQUEST_TREE in run("-", stdin=file).output


def test_fragments_and_short_packets_are_left_out() -> None:
    fragment = bytearray(udp(REQUEST))
    fragment[6] = 0x20
    result = run("-", stdin=pcap(101, [bytes(fragment), udp(REQUEST)[:24], b"", b"\x60" + bytes(39)]))
    assert "none of the capture's 4 packets" in refused(result)


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (pcap(1, []), "none of the capture's 0 packets"),
        (pcap(147, PACKETS), "link type 147"),
        (pcap(1, PACKETS)[:10], "ends too early"),
        (pcapng(PACKETS)[:60], "ends inside a packet"),
        (pcapng([])[:28] + struct.pack("<II", 6, 0), "has length 0"),
        (pcapng([]) + block(6, struct.pack("<IIIII", 9, 0, 0, 0, 0), "<"), "ends too early or is damaged"),
        (pcapng([]) + block(6, struct.pack("<IIIII", 0, 0x4000_0000, 0, 0, 0), "<"), "after the year 9999"),
    ],
    ids=[
        "no packets",
        "link type",
        "short header",
        "cut block",
        "endless block",
        "no such interface",
        "far date",
    ],
)
def test_unreadable_captures(file: bytes, sentence: str) -> None:
    assert sentence in refused(run("-", stdin=file))


def test_packets_before_the_damage_are_shown() -> None:
    result = run("-", stdin=pcap(1, PACKETS)[:-5])
    assert result.exit_code == 1
    assert REQUEST_TREE in result.stdout
    assert "the capture file ends inside a packet" in result.stderr


@pytest.mark.parametrize(
    "whole", [pcap(1, PACKETS), pcap(113, PACKETS), pcapng(PACKETS)], ids=["pcap", "cooked", "pcapng"]
)
def test_capture_cut_anywhere_never_ends_in_a_traceback(whole: bytes) -> None:
    for end in range(len(whole)):
        result = run("-", stdin=whole[:end])
        assert result.exit_code in (0, 1)
        assert result.exception is None or isinstance(result.exception, SystemExit), end
