"""For the operator: what brings about each thing that goes wrong, and what cures it.

The cure goes into the log line; both are in docs/reasons.md and in ``mobileip explain``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mobileip.control.reasons import Level, Reason

_R = Reason


@dataclass(frozen=True, slots=True)
class Advice:
    """``cause`` is what usually is behind it, ``cure`` what to do; "" where nothing is wrong."""

    cause: str = ""
    cure: str = ""


_SENDER = "find the sender by the fields of the line; mobileip debug NODE shows the whole message"
_SAME_KEY = "make key, spi and algorithm the same at both ends"
_MANGLED = "the sender is faulty, or something on the path changes packets"

_GIVEN: Final[dict[Reason, tuple[str, str]]] = {
    # what cannot be read
    _R.TRUNCATED: (_MANGLED, _SENDER),
    _R.TRAILING_BYTES: (_MANGLED, _SENDER),
    _R.UNKNOWN_MESSAGE_TYPE: (
        "a message of an extension of Mobile IPv4 that is not built here",
        "none needed",
    ),
    _R.UNKNOWN_EXTENSION: (
        "the sender uses an extension that the receiver has to know and does not",
        "switch that extension off at the sender; mobileip debug NODE shows its number",
    ),
    _R.BAD_EXTENSION_LENGTH: (_MANGLED, _SENDER),
    _R.BAD_VALUE: (_MANGLED, _SENDER),
    _R.BAD_CHECKSUM: (_MANGLED, _SENDER),
    # agent discovery
    _R.SOLICITED_BY_BROADCAST: ("a host of the link that hears or sends no multicast", ""),
    _R.IMPOSSIBLE_AGENT: (
        "somebody on the link makes agents up, or uses the node's home address, or an agent is misconfigured",
        "find the sender by its link-layer address: mobileip debug, or tcpdump -e icmp on that interface",
    ),
    _R.AGENT_LOST: (
        "the node left the agent's link, or the agent ended",
        "none needed when the node has moved",
    ),
    _R.AGENT_REBOOTED: ("the agent was started anew", "none needed: the node registers again by itself"),
    _R.LINK_DOWN: ("cable or radio lost, or the interface set down", "ip link show dev INTERFACE"),
    _R.LINK_REPLACED: (
        "the network behind the access point is another one, or the default router was replaced",
        "none needed: the node looks for agents and registers again by itself",
    ),
    _R.DISCONNECTED: (
        "no interface is up, or on none is an agent heard or an own address set",
        "ip -br addr; give the link an address (DHCP) or bring an agent there, and see mobileip show agents",
    ),
    # multicast
    _R.GROUP_LIMIT: (
        "an application of the node joins very many groups, or something hostile there",
        "",
    ),
    # registration
    _R.REQUEST_RETRANSMITTED: (
        "request or reply was lost, or the home agent discards the request silently",
        "look into the home agent's log and mobileip show violations there; let UDP port 434 pass firewalls",
    ),
    _R.BINDING_EXPIRED: (
        "the node is out of reach, switched off, or its renewals are refused",
        "none needed",
    ),
    _R.BINDING_IDLE: ("the node was not used, or nothing reaches it", "none needed: it registers again"),
    _R.VISITOR_EXPIRED: ("the node left the link without deregistering", "none needed"),
    _R.REGISTRATION_EXPIRED: (
        "no renewal was answered in time",
        "see the refusals and retransmissions before it in the log; ping the home agent",
    ),
    _R.UNMATCHED_REPLY: (
        "a reply that came twice, after its request had timed out or, at the node, after the next request; or forged",
        "none while registrations succeed; if they do not: see why home agents answer late, raise "
        "foreign_agent.pending_timeout; or find the sender of forged replies",
    ),
    _R.NO_AUTHORIZATION_EXTENSION: (
        "the sender has no key, or another extension has swallowed the authentication",
        _SENDER,
    ),
    _R.KEYS_UNKNOWN: (
        "a node that nobody has given a key, or somebody who tries names",
        "add it where home_agent.keys.sources lead: mobileip keys generate, or the AAA server",
    ),
    _R.KEYS_UNAVAILABLE: (
        "an AAA server is away or refuses us, or key files cannot be read: the field error says which",
        "mend what it says; nodes repeat their requests and are let in as soon as there is an answer",
    ),
    _R.KEY_LOOKUPS_LIMITED: (
        "forged requests of nodes that do not exist, or very many nodes that come at once",
        "if they are yours, raise home_agent.keys.max_rate or max_questions",
    ),
    _R.UNKNOWN_ASSOCIATION: (
        "the node is not configured here, or uses another SPI; or somebody tries keys",
        "",
    ),
    _R.REPLY_BAD_AUTHENTICATOR: (
        "the two ends have different keys or algorithms; the home agent's refusal of a request with a wrong key"
        " looks like this too",
        "",
    ),
    _R.HA_BAD_AAA_AUTH: (
        "the node's key is not the password that the AAA server has, its name is another there, or its SPI is not 2",
        "give the AAA server the node's mobile_node.aaa.secret as password of its name, or of its home address",
    ),
    _R.HA_MISSING_AAA_AUTH: (
        "the node has no key for the AAA server",
        'give it a table [mobile_node.aaa], or set home_agent.aaa.authenticate = "when-present"',
    ),
    _R.FA_BAD_AAA_AUTH: (
        "the node's key is not the password that the AAA server has, its name is another there, or its SPI is not 2",
        "give the AAA server the node's mobile_node.aaa.secret as password of its name, or of its home address",
    ),
    _R.FA_AAA_UNAVAILABLE: (
        "the AAA servers of foreign_agent.aaa are away or refuse us; aaa-proof-unverified in the log says why",
        "mend what that says; nodes try again by themselves",
    ),
    _R.UNEXPECTED_FOREIGN_HOME: (
        "the foreign agent signs for us but is not in our file",
        "add it to [[home_agent.foreign_agents]], or switch that off at the foreign agent",
    ),
    _R.BAD_DESTINATION: ("a message for a role or link that this daemon does not serve", "none needed"),
    _R.RATE_LIMITED: (
        "a faulty or hostile sender on the link, or very many nodes at once",
        "find the sender by mobileip debug, or tcpdump -i INTERFACE icmp",
    ),
    _R.DENIAL_SUPPRESSED: (
        "somebody sends requests that are denied quicker than a node may",
        "see mobileip show violations",
    ),
    _R.OVERLOADED: (
        "very many nodes register for the first time at once, or an attack; nodes with a binding come first",
        "if the load is legitimate, a faster machine or a second home agent; else filter the sources: "
        "mobileip show violations",
    ),
    # denied by the home agent
    _R.HA_UNSPECIFIED: ("the home agent gives no reason", "look into the home agent's log"),
    _R.HA_FILTERED: (
        "a rule of home_agent.filters, or its filter_default, denies this registration",
        "the field rule says which; ask without a node by: mobileip filter test",
    ),
    _R.HA_PROHIBITED: (
        "the home address is in none of the home agent's networks, or is not this node's; or the node chose one of a"
        " pool, and home_agent.reject_static_addresses is set",
        "compare home_address with [[home_agent.networks]] and the node's [[home_agent.nodes]] table",
    ),
    _R.HA_INSUFFICIENT_RESOURCES: (
        "home_agent.max_bindings is reached, or the kernel or the data plane refused",
        "see the action-failed line before it; raise home_agent.max_bindings",
    ),
    _R.HA_TOO_MANY_NEW: (
        "very many nodes register for the first time at once, as after a restart; nodes with a binding are served",
        "none needed: the nodes try again; or raise home_agent.max_new_rate",
    ),
    _R.HA_REDIRECTED: (
        "home_agent.max_bindings or max_new_rate is reached, and redirect_to names where nodes go then",
        "none needed; or raise the limits",
    ),
    _R.REDIRECT_REFUSED: (
        "the node does not know the home agent that it is sent to, or was sent round in a circle; it tries again later",
        "add that home agent to mobile_node.home_agents, or correct home_agent.redirect_to of the home agents",
    ),
    _R.POOL_EXHAUSTED: ("more nodes ask for an address than the pool has", ""),
    _R.MN_FAILED_AUTHENTICATION: ("key or algorithm differ at the two ends; or somebody guesses keys", ""),
    _R.FA_FAILED_AUTHENTICATION: (
        "key or algorithm of the two agents differ, or only one has the other's",
        "",
    ),
    _R.IDENTIFICATION_MISMATCH: (
        "the node's clock is wrong, its first request after a start, or a replayed request",
        "none needed once: the node corrects itself by the reply; if it goes on, set both clocks (NTP), or raise"
        " replay_tolerance",
    ),
    _R.HA_POORLY_FORMED: ("the care-of address cannot be one, or fields contradict each other", _SENDER),
    _R.HA_TOO_MANY_BINDINGS: (
        "the node wants more simultaneous bindings than it may have",
        "raise max_simultaneous of the node or of [home_agent]",
    ),
    _R.UNKNOWN_HOME_AGENT: (
        "the node looks for its home agent, or has another address for it",
        "none needed for a node that looks; otherwise make mobile_node.home_agent equal home_agent.address",
    ),
    _R.HA_REVERSE_TUNNEL_UNAVAILABLE: (
        "home_agent.reverse_tunnel (or the node's) is forbidden",
        "none needed: the node asks again without T; or set it to optional",
    ),
    _R.HA_REVERSE_TUNNEL_MANDATORY: (
        "home_agent.reverse_tunnel (or the node's) is required",
        "none needed: the node asks again with T; or set it to optional",
    ),
    _R.HA_ENCAPSULATION_UNAVAILABLE: (
        "the node asks for GRE or minimal encapsulation",
        "none needed: the node asks again for IP in IP",
    ),
    # denied by the foreign agent
    _R.FA_UNSPECIFIED: ("the foreign agent gives no reason", "look into the foreign agent's log"),
    _R.FA_CROWDED_OUT: (
        "more requests than foreign_agent.max_pending wait for home agents: very many nodes, or a flood of forged ones",
        "raise foreign_agent.max_pending; a flood is seen by mobileip show pending and tcpdump -e on the link",
    ),
    _R.FA_FILTERED: (
        "a rule of foreign_agent.filters, or its filter_default, denies this registration",
        "the field rule says which; ask without a node by: mobileip filter test",
    ),
    _R.FA_PROHIBITED: ("the foreign agent does not serve this node", "ask who runs it"),
    _R.FA_BUSY: (
        "as many visitors or waiting requests as the foreign agent may have",
        "raise foreign_agent.max_visitors or max_pending; mobileip show visitors, pending",
    ),
    _R.FA_INSUFFICIENT_RESOURCES: (
        "the kernel or the data plane refused route, rule or tunnel",
        "see the action-failed line before it",
    ),
    _R.FA_LIFETIME_TOO_LONG: (
        "the node asked for more than foreign_agent.max_lifetime",
        "none needed: the node asks again for what is offered",
    ),
    _R.FA_POORLY_FORMED: ("fields of the request contradict each other", _SENDER),
    _R.FA_NONZERO_HOME_ADDRESS: (
        "a request with home address 0.0.0.0 and no NAI",
        "give the node a home_address or a nai",
    ),
    _R.FA_POORLY_FORMED_REPLY: ("the home agent, or something on the path, is faulty", _SENDER),
    _R.FA_ENCAPSULATION_UNAVAILABLE: (
        "the node asks for GRE or minimal encapsulation",
        "none needed: the node asks again for IP in IP",
    ),
    _R.FA_REVERSE_TUNNEL_UNAVAILABLE: (
        "foreign_agent.reverse_tunnel is unavailable",
        "none needed: the node asks again without T; or set it to optional",
    ),
    _R.FA_REVERSE_TUNNEL_MANDATORY: (
        "foreign_agent.reverse_tunnel is required",
        "none needed: the node asks again with T; or set it to optional",
    ),
    _R.FA_MN_TOO_DISTANT: (
        "the request came over a router, from a node that is not on this link, or the sender does not set TTL 255",
        "let the node register from its own link; otherwise somebody far away plays a node of this link",
    ),
    _R.FA_INVALID_CARE_OF: (
        "the node uses a care-of address of another agent, or an old one of ours",
        "none needed once: the node takes the one that is advertised",
    ),
    _R.FA_INVALID_HOME_AGENT: (
        "the node's home agent address is the foreign agent's own",
        "correct mobile_node.home_agent",
    ),
    _R.FA_REGISTRATION_TIMEOUT: (
        "the home agent is down or out of reach, or discards the request silently",
        "ping the home agent from here; look into its log and mobileip show violations there",
    ),
    _R.FA_HOME_NETWORK_UNREACHABLE: ("there is no route to the home agent", "ip route get HOME_AGENT"),
    _R.FA_HOME_AGENT_UNREACHABLE: ("the home agent's host is down or filtered", "ping the home agent"),
    _R.FA_HOME_AGENT_PORT_UNREACHABLE: (
        "the host is there, but no home agent runs on it",
        "start the home agent; it must be reachable at home_agent.address",
    ),
    _R.FA_DELIVERY_STYLE: (
        "the node asks for encapsulating delivery, which this agent does not offer",
        "none needed: the node asks again for direct delivery; or set foreign_agent.encapsulating_delivery = true",
    ),
    _R.FA_HOME_AGENT_UNREACHABLE_OTHER: (
        "a router or firewall on the way refuses UDP port 434",
        "let UDP port 434 pass between the agents",
    ),
    _R.FA_MN_FAILED_AUTHENTICATION: ("the node and this agent have different keys, or only one has any", ""),
    _R.FA_HA_FAILED_AUTHENTICATION: ("the two agents have different keys, or only one has any", ""),
    _R.FA_SENDER_LIMIT: ("one sender asks for many home addresses: a fault, an attack, or a bridge", ""),
    _R.FA_HOME_ADDRESS_TAKEN: (
        "two home networks use the same private addresses, and the node that is here has no reverse tunnel",
        'set reverse_tunnel of that node, or demand it here (reverse_tunnel = "required")',
    ),
    _R.FA_MISSING_NAI: ("the home agent does not know NAIs (RFC 2794)", "give the node a home_address"),
    _R.FA_MISSING_HOME_AGENT: ("the home agent is faulty", "look into the home agent's log"),
    _R.FA_MISSING_HOME_ADDRESS: (
        "the home agent accepted a node without giving it an address",
        "give the network of the home agent a pool, or the node a home_address",
    ),
    _R.FA_MISSING_CHALLENGE: (
        "the node does not answer challenges, or shares no key with this agent or with an AAA server",
        "give it one, or set foreign_agent.challenge.required = false; a node that has just come asks again by itself",
    ),
    _R.FA_UNKNOWN_CHALLENGE: (
        "the challenge is too old, or of before this agent was started; or somebody repeats an old request",
        "none needed: the node asks again, by the one in the reply; if often, raise foreign_agent.challenge.window",
    ),
    _R.FA_STALE_CHALLENGE: (
        "somebody repeats a recorded request; or a node whose reply was lost asks again",
        "none for a node that asks again at once; else find who it is by the link-layer address",
    ),
    _R.FA_WRONG_CHALLENGE: (
        "the home agent is faulty, or somebody forges its replies",
        "share a key with the home agent: [[foreign_agent.home_agents]]",
    ),
    _R.CHALLENGE_UNAUTHENTICATED: (
        "somebody puts a new challenge behind an old request; or the node is faulty",
        "find it by the link-layer address",
    ),
    _R.PENDING_COPIED: (
        "somebody on the link repeats another node's request as its own",
        "find it by the link-layer address; mobileip debug NODE",
    ),
    # the mobile node
    _R.DENIED: (
        "an agent refused the registration, and nothing else can be asked for at once: the line has code and reason",
        "mobileip explain CODE",
    ),
    _R.CLOCK_RESYNCHRONISED: ("this host's clock differs from the home agent's", "set both clocks (NTP)"),
    _R.RETRYING: (
        "an agent refused what was asked, as the line says, and something else may be had; or nobody answered",
        "none needed",
    ),
    _R.CHALLENGE_AWAITED: (
        "the foreign agent's reply held no challenge, and what it advertises was answered already",
        "none needed: it goes on with the next advertisement",
    ),
    _R.CLOCK_JUMPED: ("the clock of this host was set", "none needed"),
    # AAA servers
    _R.AAA_SERVER_SILENT: (
        "the server or the way to it is down, it does not know us as a client, or the secrets differ",
        "look into the server's log; give it our address as a client, with the secret of our file",
    ),
    _R.AAA_SERVER_BACK: ("the server or the way to it came back", "none needed"),
    _R.AAA_ANSWER_LATE: (
        "the server takes longer than timeout, or the way to it is loaded",
        "make the server quicker, or raise timeout",
    ),
    _R.AAA_ANSWER_FORGED: (
        "the secrets differ, the server sends no Message-Authenticator, or somebody forges answers (CVE-2024-3596)",
        "make the secret the same at both ends, and have the server send Message-Authenticator",
    ),
    _R.AAA_KEY_MALFORMED: (
        "the entry of the peer at the server is not as docs/aaa.md says; error tells what is wrong",
        "correct the entry of the peer at the server",
    ),
    _R.AAA_PROOF_UNVERIFIED: (
        "the AAA servers are away or refuse us: the field error says which",
        "mend what it says; nodes repeat their requests and are let in as soon as there is an answer",
    ),
    _R.AAA_QUESTIONS_LIMITED: (
        "forged requests, or very many nodes that come at once",
        "if they are yours, raise max_rate of the table aaa, and max_questions there or foreign_agent.max_pending",
    ),
    _R.ACCOUNTING_LOST: (
        "no accounting server has answered for long",
        "bring the server back, or raise aaa.accounting.max_queue",
    ),
    # the kernel
    _R.ACTION_FAILED: (
        "missing privileges, an interface that went away, or a full table; the line says which call failed",
        "mobileip doctor --config FILE",
    ),
    _R.PACKET_WITHOUT_BINDING: (
        "packets of a node that has just left, or traffic to addresses nobody has",
        "none needed",
    ),
    _R.TUNNEL_SOURCE_REFUSED: (
        "somebody tunnels in a node's name, or a node has moved and its last packets from there come late",
        "none needed after a move; else find out who sends from the address in source",
    ),
    _R.TUNNEL_TOO_BIG: (
        "the path to the other end of the tunnel carries less than the tunnel's MTU says",
        "set daemon.tunnel_mtu to the path's MTU less 20",
    ),
    _R.UNDERLAY_FELL_BACK: (
        "the kernel or a device does not take packets from a packet socket or an AF_XDP socket; the line says why",
        'set daemon.underlay to "raw" or "packet", or restart after the cause in the line is mended',
    ),
    _R.TUNNEL_PATH_MTU: (
        "a link between the ends of the tunnel has a smaller MTU than ours; after ten minutes (mtu null) more is tried",
        "none needed; senders are told by ICMP, which no firewall before them may drop",
    ),
    _R.TUNNEL_ERROR: (
        "a router on the way to the other end of the tunnel, or that end, could not go on with the datagram",
        "with code 1, host unreachable: look where the route to the address in remote ends",
    ),
    _R.TUNNEL_ERROR_IGNORED: (
        "it quotes what no tunnel of ours sends: of a node that has left, of other tunnels of this host, or forged; "
        "or too many came at once",
        "none needed",
    ),
    _R.DEVICE_LOST: ("somebody deleted the tunnel device, or a thread of the engine failed", ""),
}


def advice(reason: Reason) -> Advice:
    """What is known of ``reason``."""
    cause, cure = _GIVEN.get(reason, ("", ""))
    return Advice(cause, cure or reason.info.cure)


def is_trouble(reason: Reason) -> bool:
    """Whether an operator may want to do something about ``reason``."""
    return reason.info.level in (Level.WARNING, Level.ERROR, Level.SECURITY)
