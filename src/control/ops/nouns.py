"""What a daemon can be asked to show: every noun, and every field of its rows under the name it keeps.

The order of the fields is that of the columns. These names are an interface: scripts read them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Noun:
    """``title`` says in a few words what is shown, ``fields`` what each field means."""

    title: str
    fields: Mapping[str, str]
    single: bool = False  # one object, not a list of them


_REMAINING: Final = "seconds until it ends; null: never"
_LIFETIME: Final = 'seconds that were granted, or "infinite"'
_REVERSE: Final = "whether the node's packets come back through the tunnel too (T bit)"
_CO_LOCATED: Final = "whether the node ends the tunnel itself (D bit)"
_ENCAPSULATION: Final = "how packets are tunnelled, both ways: ipip, gre (G bit) or minimal (M bit)"
_NAI: Final = "Network Access Identifier (RFC 2794), or null"
_KEYS: Final = "the Security Parameter Index that names the key; the key itself is never shown"

NOUNS: Final[Mapping[str, Noun]] = {
    "bindings": Noun(
        "home agent: which node is away, and behind which care-of address",
        {
            "home_address": "the node's home address",
            "care_of_address": "where the tunnel to it ends",
            "home_agent": "where the tunnel begins",
            "lifetime_s": _LIFETIME,
            "remaining_s": _REMAINING,
            "reverse_tunnel": _REVERSE,
            "encapsulation": _ENCAPSULATION,
            "co_located": _CO_LOCATED,
            "broadcast": "how broadcasts of the home link reach it (B bit): none, direct or nested",
            "nai": _NAI,
            "relay": "address and port that the request came from: the foreign agent, or the node itself",
            "identification": "Identification of the request, both halves in hexadecimal",
            "registered_at": "when the request was accepted, in seconds since 1970",
        },
    ),
    "groups": Noun(
        "home agent: which absent node is in which multicast group",
        {
            "home_address": "the node's home address",
            "group": "the group that it wants",
            "interface": "the home link whose datagrams it gets, or null for a virtual home network",
            "version": "of IGMP, by its latest report",
            "sources": "the sources it wants, or null: every one, or all but some",
            "leaving": "whether it has left and is asked once more",
            "remaining_s": "seconds until it is over unless it is reported again",
            "joined_at": "when it was reported first, in seconds since 1970",
        },
    ),
    "hosts": Noun(
        "home agent: which nodes are configured",
        {
            "home_address": "its home address, the range of them, or null if it gets one from a pool",
            "nai": _NAI,
            "spi": _KEYS,
            "algorithm": "how messages are authenticated",
            "replay": "how replayed requests are found: timestamps, nonces or none",
            "bound": "how many of its home addresses have a binding",
        },
    ),
    "visitors": Noun(
        "foreign agent: which nodes are served here",
        {
            "home_address": "the node's home address",
            "nai": _NAI,
            "home_agent": "its home agent, where the tunnel begins",
            "care_of_address": "where the tunnel ends: our own care-of address, or the node's",
            "interface": "the link it visits",
            "link_address": "its link-layer address there",
            "lifetime_s": _LIFETIME,
            "remaining_s": _REMAINING,
            "reverse_tunnel": _REVERSE,
            "encapsulation": _ENCAPSULATION,
            "co_located": _CO_LOCATED,
            "delivery": "how the node hands us its packets (RFC 3024 s5): direct or encapsulating",
            "state": "always registered; a registration that waits for its home agent is under pending",
        },
    ),
    "pending": Noun(
        "foreign agent: whose registration waits for the home agent's answer",
        {
            "home_address": "the node's home address",
            "nai": _NAI,
            "home_agent": "the home agent that was asked",
            "interface": "the link that the request came from",
            "link_address": "the sender's link-layer address there",
            "source": "the sender's address and port",
            "identification": "Identification of the request, both halves in hexadecimal",
            "lifetime_s": 'seconds that were asked for, or "infinite"; 0: a deregistration',
            "remaining_s": "seconds until the node is told that there is no answer (code 78)",
            "reverse_tunnel": _REVERSE,
            "co_located": _CO_LOCATED,
            "state": "always pending",
        },
    ),
    "agents": Noun(
        "mobile node: which agents can be heard, the current one marked",
        {
            "address": "the source of its advertisements",
            "interface": "the link it is heard on",
            "roles": "home, foreign or home+foreign",
            "care_of_addresses": "care-of addresses it offers",
            "prefixes": "prefixes of the link that it tells (prefix-lengths extension)",
            "sequence": "sequence number of its latest advertisement",
            "registration_lifetime_s": 'the longest lifetime it accepts, or "infinite"',
            "remaining_s": "seconds until it is forgotten unless it is heard again",
            "flags": "letters of its advertisement: R B H F M G T U X I (RFC 5944 s2.1.1)",
            "link_address": "its link-layer address",
            "current": "whether the node is attached to it",
        },
    ),
    "registration": Noun(
        "mobile node: where it is, and how its registration stands",
        {
            "state": "disconnected, registering, registered, returning, home, stopping or stopped",
            "location": "home, foreign, co-located or disconnected",
            "home_address": "its home address",
            "home_agent": "its home agent",
            "nai": _NAI,
            "interface": "the link it uses",
            "foreign_agent": "the agent it is attached to, or null",
            "care_of_address": "the care-of address that is registered, or null",
            "lifetime_s": _LIFETIME,
            "remaining_s": _REMAINING,
            "clock_offset_s": "seconds by which the home agent's clock is ahead, as far as its replies told",
            "reverse_tunnel": "whether what it sends goes through the tunnel (T bit)",
            "encapsulation": _ENCAPSULATION,
            "registering_on": "a better link on which it registers while the present one works, or null",
            "pending": "whether a request waits for its reply",
            "code": "code of the reply that granted the registration",
            "registered_at_mono_ns": "CLOCK_MONOTONIC of the reply that made the present place work",
            "link_up_mono_ns": "CLOCK_MONOTONIC when the present link became usable",
        },
        single=True,
    ),
    "associations": Noun(
        "mobility security associations: who shares a key with this daemon",
        {
            "peer": "address, range or NAI of the other end",
            "kind": "mobile-home, mobile-foreign or foreign-home (RFC 5944 s3.5)",
            "spi": "the Security Parameter Index of what is received; the key itself is never shown",
            "spi_out": "the Security Parameter Index of what is sent",
            "algorithm": "how messages are authenticated",
            "replay": "how replays are found: timestamps, nonces or none; null where this is not told",
            "source": "who said it: configuration, or one of home_agent.keys.sources",
            "stale": "whether that source is asked again before it is used",
        },
    ),
    "aaa": Noun(
        "agents: AAA servers for keys, proofs and accounting, and how they answer",
        {
            "use": "keys, accounting, proofs or visitors (proofs at a foreign agent): what it is there for",
            "protocol": "radius or tacacs",
            "server": "its address and port",
            "state": "answering, silent (it has let a question pass), or unused until now",
            "left_alone_s": "silent: seconds until a question is to find out whether it is back; 0: the next one will",
            "questions": "questions, or records, that it was asked to answer, each counted once",
            "answers": "how many of these it has answered in time",
            "timeouts": "how many it has let pass, or could not be reached for",
            "late": "answers that came too late",
            "forged": "answers that were not believed: another secret, no signature, or somebody else's",
            "answer_ms": "how many milliseconds its answers take of late, or null before the first",
            "waiting": "what waits for an answer of any server of this use; of accounting, all records",
        },
    ),
    "filters": Noun(
        "agents: who may register from where, and how often each rule has decided",
        {
            "rule": "its place in the configuration file; filter_default: for whom no rule matches",
            "action": "allow or deny",
            "home_address": "only for home addresses in this prefix, or null: for all",
            "nai": "only for nodes of this name, or of this realm",
            "care_of_address": "only for care-of addresses in this prefix",
            "foreign_agent": "only through foreign agents in this prefix",
            "home_agent": "only to home agents in this prefix",
            "interface": "only for what comes in here",
            "count": "how often it has decided; a renewal that asks for nothing new is not looked at again",
        },
    ),
    "violations": Noun(
        "security violations, the latest first: who, when, why, how often",
        {
            "reason": "why, by its name in the log: see mobileip explain",
            "source": "who: the sender's address, or null",
            "home_address": "the home address that was claimed, or null",
            "interface": "where it came in, or null",
            "spi": "the Security Parameter Index that was used, or null",
            "count": "how often this source did this for this home address; of tunnelled packets, how many",
            "first_at": "when for the first time, in seconds since 1970",
            "last_at": "when for the last time, in seconds since 1970",
        },
    ),
    "tunnels": Noun(
        "what goes in and out of each tunnel",
        {
            "home_address": "the inner address",
            "side": "which end we are: home or care-of",
            "local": "our end",
            "remote": "the other end",
            "encapsulation": _ENCAPSULATION,
            "underlay": "how datagrams leave: raw, by the kernel's routing, or straight to the next hop: packet, xdp",
            "mtu": "largest inner packet that needs no fragments, in bytes",
            "path_mtu": "what a router said that the path carries, in bytes with the outer header, or null",
            "path_mtu_age_s": "how many seconds ago; more is tried after ten minutes",
            "unreachable_s": "how many seconds ago a router could not reach the other end; null after a minute",
            "packets_in": "packets that came out of the tunnel",
            "bytes_in": "their bytes, without outer headers",
            "packets_out": "packets that went into the tunnel",
            "bytes_out": "their bytes, without outer headers",
            "dropped": "packets of this tunnel that were dropped, both ways",
            "dropped_packets_in": "of these, what came out of the tunnel",
            "dropped_bytes_in": "their bytes, without outer headers",
            "dropped_packets_out": "of these, what was to go into the tunnel",
            "dropped_bytes_out": "their bytes, without outer headers",
            "flags": "reverse: packets from the home address are accepted from the tunnel, or sent into it",
        },
    ),
    "drops": Noun(
        "why packets were dropped, those of no tunnel too",
        {
            "reason": "why, by the name it has among the counters",
            "packets_in": "packets on the way out of a tunnel",
            "bytes_in": "their bytes, without outer headers where these could be taken off",
            "packets_out": "packets on the way into a tunnel",
            "bytes_out": "their bytes, without outer headers",
            "meaning": "why, in words",
        },
    ),
    "counters": Noun(
        "how often everything has happened that has a name in the log",
        {
            "reasons": "events by reason since the start",
            "data_plane": "packets by fate, and what was dropped by reason",
            "control_plane": "other counts",
        },
        single=True,
    ),
}

RECORD: Final[Mapping[str, str]] = {
    "time": "when, in UTC",
    "event": "following (the first line), received, sent, noted, or lost",
    "interface": "received, sent: the link, or null if routes decide",
    "source": "received, sent: address, of registration messages with the port; null if the kernel chooses it",
    "destination": "received, sent: address, of registration messages with the port",
    "ttl": "received, sent: of the IP header, or null where it is not known",
    "link_address": "received, sent: link-layer address of the other end, or null where it is not known",
    "message": "received, sent: the message as mobileip decode prints it",
    "error": "received, sent: instead of message if it cannot be decoded: reason, text and data in hexadecimal",
    "reason": "noted: the reason's name",
    "text": "noted: the reason in words",
    "rfc": "noted: the place in the RFCs",
    "fields": "noted: what the log line has",
    "count": "lost: how many records were left out, because they came quicker than they were read",
}
"""Fields of the lines of ``mobileip debug``."""
