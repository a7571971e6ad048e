"""The one list of what can be said of a control message or an action: accepted, refused, dropped, failed.

Every log line, counter, metric, reply code and page of documentation takes its name from here. A reason with a
``code`` may be put on the wire in a Registration Reply; one without is silent.
"""

from __future__ import annotations

from enum import unique
from typing import Final

from mobileip.control.reason_info import Level, Named, ReasonInfo
from mobileip.control.types import ReplyCode

__all__ = ["REASON_BY_CODE", "Level", "Reason", "ReasonInfo", "ReplyCode"]

_r = ReasonInfo
_D, _I, _W, _E, _S = Level.DEBUG, Level.INFO, Level.WARNING, Level.ERROR, Level.SECURITY
_C = ReplyCode


@unique
class Reason(Named):
    """Name and facts of every reason. No two have the same facts: one would be no more than an alias of the other."""

    # what cannot be read
    TRUNCATED = _r("message or extension ends before its length says", "5944 s1.9", _W)
    TRAILING_BYTES = _r("bytes left over that are no extension", "5944 s1.9", _W)
    UNKNOWN_MESSAGE_TYPE = _r("message type is not one we handle", "5944 s3.1", _D)
    UNKNOWN_EXTENSION = _r(
        "extension 0-127 that we do not know: the whole message is discarded", "5944 s1.8", _W
    )
    BAD_EXTENSION_LENGTH = _r("an extension has an impossible length", "5944 s1.9", _W)
    BAD_VALUE = _r("a field holds a value the standard forbids", "5944", _W)
    BAD_CHECKSUM = _r("checksum does not match", "5944 s3.1", _W)
    NOT_AN_AGENT = _r("router advertisement without mobility extension", "5944 s2.1", _D)

    # agent discovery
    ADVERTISED = _r("agent advertisement sent", "5944 s2.3", _D)
    SOLICITED = _r("agent solicitation received", "5944 s2.2", _D)
    SOLICITED_BY_BROADCAST = _r(
        "solicitation to the broadcast address on a link that is advertised to by multicast",
        "1256 s4.3",
        _I,
        cure='set advertise.destination = "broadcast" if hosts of that link hear no multicast',
    )
    SOLICITATION_SENT = _r("agent solicitation sent", "5944 s2.4", _D)
    AGENT_DISCOVERED = _r("new agent on the link", "5944 s2.4", _I)
    IMPOSSIBLE_AGENT = _r(
        "agent advertisement from, or with a care-of address that is, our own home address or no unicast address",
        "5944 s2.1.1",
        _W,
    )
    AGENT_LOST = _r("agent's advertisement lifetime ran out, or it withdrew", "5944 s2.4.2.1", _I)
    AGENT_REBOOTED = _r("agent's sequence number fell back: it lost its state", "5944 s2.4.4", _I)
    LINK_UP = _r("interface is usable", "5944 s2.4.2", _I)
    LINK_DOWN = _r("interface lost its carrier or was set down", "5944 s2.4.2", _I)
    LINK_REPLACED = _r(
        "default router has another link-layer address: this is another link", "5944 s2.4.2", _I
    )
    MOVED_HOME = _r("the home agent is on this link: at home", "5944 s2.4.3", _I)
    MOVED_FOREIGN = _r("on a foreign link with an agent", "5944 s2.4.2", _I)
    MOVED_CO_LOCATED = _r("on a foreign link without an agent: co-located", "5944 s3.6", _I)
    DISCONNECTED = _r("no usable link", "5944 s2.4.2", _W)

    # multicast
    GROUP_JOINED = _r("an absent node wants a multicast group", "5944 s4.4", _I)
    GROUP_LEFT = _r("an absent node has a multicast group no longer", "5944 s4.4", _I)
    GROUP_LIMIT = _r(
        "an absent node wants one multicast group too many: it is not joined",
        "5944 s4.4",
        _W,
        cure="if it needs them, raise home_agent.max_node_groups, or max_memberships for all nodes together",
    )

    # registration, common
    REQUEST_SENT = _r("registration request sent", "5944 s3.6.1", _D)
    REQUEST_RETRANSMITTED = _r("no reply in time: request sent again", "5944 s3.6.3", _I)
    REQUEST_RELAYED = _r("request relayed to the home agent", "5944 s3.7.2.2", _D)
    REPLY_RELAYED = _r("reply relayed to the mobile node", "5944 s3.7.3.2", _D)
    REGISTERED = _r("registration accepted", "5944 s3.4", _I, _C.ACCEPTED)
    REGISTERED_NO_SIMULTANEOUS = _r(
        "registration accepted, simultaneous bindings unsupported",
        "5944 s3.4",
        _I,
        _C.ACCEPTED_NO_SIMULTANEOUS,
    )
    DEREGISTERED = _r("binding removed on request", "5944 s3.8.2.2", _I, _C.ACCEPTED)
    BINDING_EXPIRED = _r("lifetime ran out without renewal", "5944 s3.8.1", _I)
    VISITOR_EXPIRED = _r("visitor's lifetime ran out without renewal", "5944 s3.7.1", _I)
    REGISTRATION_EXPIRED = _r("our registration's lifetime ran out", "5944 s3.6.2.2", _W)
    BINDING_CLEARED = _r("binding removed by the operator", "", _I)
    BINDING_IDLE = _r("binding removed, its tunnel carried nothing for idle_timeout", "", _I)
    VISITOR_CLEARED = _r("visitor removed by the operator", "", _I)
    UNMATCHED_REPLY = _r("reply without a pending request", "5944 s3.6.2.1", _W)
    NO_AUTHORIZATION_EXTENSION = _r("message without authentication: discarded silently", "5944 s3.5.2", _S)
    UNKNOWN_ASSOCIATION = _r(
        "no security association for this home address and SPI: discarded silently",
        "5944 s3.8.2.1",
        _S,
        cure="add the node to [[home_agent.nodes]] or correct its spi",
    )
    KEYS_FOUND = _r("a source of keys gave a node's associations", "5944 s3.8.2.1", _D)
    KEYS_UNKNOWN = _r("no source of keys knows the node", "5944 s3.8.2.1", _I)
    KEYS_UNAVAILABLE = _r(
        "the sources of keys cannot be asked: what is known goes on being used, else the request is discarded",
        "5944 s3.8.2.1",
        _W,
    )
    KEY_LOOKUPS_LIMITED = _r(
        "more nodes to ask for than the limits allow: request discarded", "5944 s3.8.2.1", _W
    )
    REPLY_BAD_AUTHENTICATOR = _r(
        "reply's authenticator is wrong: discarded",
        "5944 s3.6.2.1",
        _S,
        cure="check that key, spi and algorithm are the same at both ends",
    )
    UNEXPECTED_FOREIGN_HOME = _r(
        "foreign-home authentication from an agent we share no key with: discarded", "5944 s3.8.2.1", _S
    )
    BAD_DESTINATION = _r("message came to an address or link that does not serve it", "5944 s3.6", _D)
    RATE_LIMITED = _r("more messages than the limit allows", "5944 s3.6.3", _W)
    DENIAL_SUPPRESSED = _r(
        "denials to this sender or node are limited: discarded silently", "5944 s3.8.2.1", _D
    )
    OVERLOADED = _r("more messages than can be handled: one of no known sender discarded", "", _W)

    # denied by the home agent
    HA_UNSPECIFIED = _r("denied by the home agent", "5944 s3.4", _W, _C.HA_UNSPECIFIED)
    HA_PROHIBITED = _r("administratively prohibited", "5944 s3.4", _W, _C.HA_PROHIBITED)
    HA_FILTERED = _r("denied by a registration filter", "5944 s3.4", _W, _C.HA_PROHIBITED)
    HA_INSUFFICIENT_RESOURCES = _r(
        "the home agent could not install the binding", "5944 s3.4", _E, _C.HA_INSUFFICIENT_RESOURCES
    )
    HA_TOO_MANY_NEW = _r(
        "more new nodes a second than are accepted", "5944 s3.4", _W, _C.HA_INSUFFICIENT_RESOURCES
    )
    HA_REDIRECTED = _r(
        "no room here: the node is sent to another home agent", "4433 s5.3", _W, _C.HA_REDIRECT
    )
    POOL_EXHAUSTED = _r(
        "no home address is free for a node that asks for one",
        "2794 s3",
        _W,
        _C.HA_INSUFFICIENT_RESOURCES,
        cure="give a [[home_agent.networks]] table a larger pool",
    )
    MN_FAILED_AUTHENTICATION = _r(
        "mobile node failed authentication",
        "5944 s3.8.2.1",
        _S,
        _C.HA_MN_FAILED_AUTHENTICATION,
        cure="check that key, spi and algorithm are the same at both ends",
    )
    HA_BAD_AAA_AUTH = _r("the Mobile-AAA authentication is wrong", "4721 s3.4", _S, _C.HA_BAD_AAA_AUTH)
    HA_MISSING_AAA_AUTH = _r(
        "no Mobile-AAA authentication, and it is required", "4721 s3.4", _W, _C.HA_BAD_AAA_AUTH
    )
    FA_FAILED_AUTHENTICATION = _r(
        "foreign agent failed authentication: extension 34 is missing, double or wrong",
        "5944 s3.8.2.1",
        _S,
        _C.HA_FA_FAILED_AUTHENTICATION,
        cure="check that key, spi and algorithm are the same at both agents",
    )
    IDENTIFICATION_MISMATCH = _r(
        "timestamp outside the tolerance or not newer than the last, or not the nonce we told",
        "5944 s5.7.1",
        _S,
        _C.HA_IDENTIFICATION_MISMATCH,
    )
    HA_POORLY_FORMED = _r("poorly formed request", "5944 s3.8.2.1", _W, _C.HA_POORLY_FORMED_REQUEST)
    HA_TOO_MANY_BINDINGS = _r("too many simultaneous bindings", "5944 s3.8.2.1", _W, _C.HA_TOO_MANY_BINDINGS)
    UNKNOWN_HOME_AGENT = _r(
        "request names a home agent address that is not ours",
        "5944 s3.8.2.1",
        _W,
        _C.HA_UNKNOWN_HOME_AGENT_ADDRESS,
    )
    HA_REVERSE_TUNNEL_UNAVAILABLE = _r(
        "reverse tunnel requested but forbidden here", "3024 s4.3", _W, _C.HA_REVERSE_TUNNEL_UNAVAILABLE
    )
    HA_REVERSE_TUNNEL_MANDATORY = _r(
        "reverse tunnel is mandatory and T is not set", "3024 s4.3", _W, _C.HA_REVERSE_TUNNEL_MANDATORY
    )
    HA_ENCAPSULATION_UNAVAILABLE = _r(
        "requested encapsulation is not available", "3024 s3.4", _W, _C.HA_ENCAPSULATION_UNAVAILABLE
    )

    # denied by the foreign agent
    FA_UNSPECIFIED = _r("denied by the foreign agent", "5944 s3.4", _W, _C.FA_UNSPECIFIED)
    FA_PROHIBITED = _r("administratively prohibited", "5944 s3.4", _W, _C.FA_PROHIBITED)
    FA_FILTERED = _r("denied by a registration filter", "5944 s3.4", _W, _C.FA_PROHIBITED)
    FA_BUSY = _r("visitor or pending list is full", "5944 s3.7.1", _W, _C.FA_INSUFFICIENT_RESOURCES)
    FA_CROWDED_OUT = _r(
        "pending list full: who waited longest leaves", "5944 s3.7.1", _W, _C.FA_INSUFFICIENT_RESOURCES
    )
    FA_INSUFFICIENT_RESOURCES = _r(
        "the foreign agent could not install the visitor", "5944 s3.4", _E, _C.FA_INSUFFICIENT_RESOURCES
    )
    FA_LIFETIME_TOO_LONG = _r(
        "requested lifetime is longer than advertised", "5944 s3.7.2.1", _I, _C.FA_LIFETIME_TOO_LONG
    )
    FA_POORLY_FORMED = _r("poorly formed request", "5944 s3.7.2.1", _W, _C.FA_POORLY_FORMED_REQUEST)
    FA_NONZERO_HOME_ADDRESS = _r(
        "home address 0.0.0.0 is not served", "2794 s3", _W, _C.FA_NONZERO_HOME_ADDRESS_REQUIRED
    )
    FA_POORLY_FORMED_REPLY = _r(
        "poorly formed reply from the home agent", "5944 s3.7.3.1", _W, _C.FA_POORLY_FORMED_REPLY
    )
    FA_ENCAPSULATION_UNAVAILABLE = _r(
        "requested encapsulation is not available", "5944 s3.7.2.1", _W, _C.FA_ENCAPSULATION_UNAVAILABLE
    )
    FA_REVERSE_TUNNEL_UNAVAILABLE = _r(
        "reverse tunnel requested but not offered", "3024 s4.2.1", _W, _C.FA_REVERSE_TUNNEL_UNAVAILABLE
    )
    FA_REVERSE_TUNNEL_MANDATORY = _r(
        "reverse tunnel is mandatory and T is not set", "3024 s4.2.1", _W, _C.FA_REVERSE_TUNNEL_MANDATORY
    )
    FA_MN_TOO_DISTANT = _r(
        "T is set and the request's TTL is not 255", "3024 s4.2.1", _S, _C.FA_MN_TOO_DISTANT
    )
    FA_INVALID_CARE_OF = _r(
        "care-of address is not one we offer", "5944 s3.7.2.1", _W, _C.FA_INVALID_CARE_OF_ADDRESS
    )
    FA_INVALID_HOME_AGENT = _r(
        "home agent address is our own and we are no home agent",
        "5944 s3.7.2.1",
        _W,
        _C.FA_INVALID_HOME_AGENT_ADDRESS,
    )
    FA_REGISTRATION_TIMEOUT = _r(
        "the home agent did not answer in time", "5944 s3.7.1", _W, _C.FA_REGISTRATION_TIMEOUT
    )
    FA_HOME_NETWORK_UNREACHABLE = _r(
        "ICMP network unreachable while relaying", "5944 s3.7.2.2", _W, _C.FA_HOME_NETWORK_UNREACHABLE
    )
    FA_HOME_AGENT_UNREACHABLE = _r(
        "ICMP host unreachable while relaying", "5944 s3.7.2.2", _W, _C.FA_HOME_AGENT_HOST_UNREACHABLE
    )
    FA_HOME_AGENT_PORT_UNREACHABLE = _r(
        "ICMP port unreachable while relaying: no home agent runs there",
        "5944 s3.7.2.2",
        _W,
        _C.FA_HOME_AGENT_PORT_UNREACHABLE,
    )
    FA_DELIVERY_STYLE = _r(
        "encapsulating delivery style is not offered", "3024 s4.2.1", _W, _C.FA_DELIVERY_STYLE_UNSUPPORTED
    )
    FA_HOME_AGENT_UNREACHABLE_OTHER = _r(
        "another ICMP error while relaying", "5944 s3.7.2.2", _W, _C.FA_HOME_AGENT_UNREACHABLE
    )
    FA_MN_FAILED_AUTHENTICATION = _r(
        "Mobile-Foreign authentication is missing, twice there, or wrong",
        "5944 s3.7.2.1",
        _S,
        _C.FA_MN_FAILED_AUTHENTICATION,
        cure="compare key, spi and algorithm in [[foreign_agent.nodes]] with the node's [[mobile_node.foreign_agents]]",
    )
    FA_BAD_AAA_AUTH = _r("the Mobile-AAA authentication is wrong", "4721 s3.2", _S, _C.FA_BAD_AAA_AUTH)
    FA_AAA_UNAVAILABLE = _r(
        "no AAA server says whether the visitor is who it says", "4721 s3.2", _W, _C.FA_INSUFFICIENT_RESOURCES
    )
    FA_HA_FAILED_AUTHENTICATION = _r(
        "Foreign-Home authentication of a reply is missing, twice there, or wrong",
        "5944 s3.7.3.1",
        _S,
        _C.FA_HA_FAILED_AUTHENTICATION,
        cure="compare [[foreign_agent.home_agents]] with [[home_agent.foreign_agents]] at the other end",
    )
    FA_SENDER_LIMIT = _r(
        "one link-layer address has its whole share of the visitor or pending list",
        "5944 s3.7.1",
        _S,
        _C.FA_INSUFFICIENT_RESOURCES,
        cure="raise foreign_agent.max_pending or max_visitors if so many nodes are really behind one address",
    )
    FA_HOME_ADDRESS_TAKEN = _r(
        "home address is a visitor's of another home agent, who has no reverse tunnel",
        "3024 sA.4",
        _W,
        _C.FA_INSUFFICIENT_RESOURCES,
    )
    FA_MISSING_NAI = _r("reply lacks the NAI that the request had", "2794 s3", _W, _C.FA_MISSING_NAI)
    FA_MISSING_HOME_AGENT = _r("reply has no home agent address", "2794 s3", _W, _C.FA_MISSING_HOME_AGENT)
    FA_MISSING_HOME_ADDRESS = _r("reply has no home address", "2794 s3", _W, _C.FA_MISSING_HOME_ADDRESS)
    FA_MISSING_CHALLENGE = _r("request answers no challenge", "4721 s3.2", _W, _C.FA_MISSING_CHALLENGE)
    FA_UNKNOWN_CHALLENGE = _r(
        "request answers a challenge that was not told of late", "4721 s3.2", _W, _C.FA_UNKNOWN_CHALLENGE
    )
    FA_STALE_CHALLENGE = _r(
        "request answers a challenge that its node has used before", "4721 s3.2", _S, _C.FA_STALE_CHALLENGE
    )
    FA_WRONG_CHALLENGE = _r(
        "home agent returned another challenge than it got", "4721 s3.3", _S, _C.HA_WRONG_CHALLENGE
    )
    CHALLENGE_UNAUTHENTICATED = _r(
        "a challenge without authentication behind it: request discarded silently", "4721 s3.2", _S
    )
    PENDING_COPIED = _r(
        "copy of a pending request from another link-layer address: discarded silently", "5944 s3.7.1", _S
    )

    # the mobile node's view of a denial, and its repairs
    DENIED = _r("registration denied", "5944 s3.6.2.3", _W)
    CLOCK_RESYNCHRONISED = _r(
        "offset to the home agent's clock corrected from its reply 133", "5944 s5.7.1", _I
    )
    RETRYING = _r("trying again after a denial or a silence", "5944 s3.6.2.3", _I)
    CLOCK_JUMPED = _r("our clock was set: the offset to the home agent's is forgotten", "5944 s5.7.1", _I)
    HOME_AGENT_DISCOVERED = _r(
        "a home agent of our home network named itself in its reply 136", "5944 s3.6.2.3", _I
    )
    REDIRECTED = _r("the home agent sends us to another one: that is asked", "4433 s4.2", _I)
    REDIRECT_REFUSED = _r("redirected to where we do not go", "4433 s4.2", _W)
    HOME_ADDRESS_ASSIGNED = _r("the home agent gave us a home address", "2794 s3", _I)
    CHALLENGE_AWAITED = _r("the agent has to tell another challenge: it is solicited", "4721 s3.3", _I)
    REGISTERING_BESIDE = _r(
        "registering over a better link while the present one still works", "5944 s3.6.1.2", _I
    )

    # AAA servers
    AAA_SERVER_SILENT = _r("no answer of an AAA server: left alone", "2865 s2.6", _W)
    AAA_SERVER_BACK = _r("an AAA server that was silent answers again", "2865 s2.6")
    AAA_ANSWER_LATE = _r("an AAA server answered too late: ignored", "2865 s2.5", _D)
    AAA_ANSWER_FORGED = _r("forged answer of an AAA server: ignored", "3579 s3.2", _S)
    AAA_KEY_MALFORMED = _r("unusable association of an AAA server", "2865 s5", _W)
    AAA_PROOF_ACCEPTED = _r("an AAA server finds a node's proof right", "4721 s8", _D)
    AAA_PROOF_REJECTED = _r("an AAA server finds a node's proof wrong", "4721 s8")
    AAA_PROOF_UNVERIFIED = _r(
        "no AAA server can be asked about a node's proof: it is not let in", "4721 s8", _W
    )
    AAA_QUESTIONS_LIMITED = _r(
        "more proofs to ask AAA servers about than the limits allow: request discarded", "4721 s3.2", _W
    )
    ACCOUNTING_LOST = _r("accounting records were given up", "2866 s2", _W)

    # the kernel
    ACTION_FAILED = _r("the kernel refused what the protocol asked for", "", _E)
    PACKET_WITHOUT_BINDING = _r(
        "a packet came for or from an address that is in no tunnel: dropped", "5944 s4.2.2", _D
    )
    TUNNEL_SOURCE_REFUSED = _r(
        "tunnelled packets with outer and inner source that are in no tunnel together: dropped",
        "3024 s4.3.2",
        _S,
    )
    TUNNEL_TOO_BIG = _r("a tunnelled datagram was longer than its device's MTU: dropped", "2003 s5.1", _W)
    UNDERLAY_FELL_BACK = _r(
        "tunnelled datagrams leave by a slower way from now on, of the interface or of all: the faster one fails",
        "",
        _W,
    )
    TUNNEL_PATH_MTU = _r("the MTU told or found of a tunnel's path is used", "2003 s5.1")
    TUNNEL_ERROR = _r("an ICMP error about a datagram that we tunnelled", "2003 s4", _D)
    TUNNEL_ERROR_IGNORED = _r("an ICMP error about none of ours", "2003 s4", _D)
    DEVICE_LOST = _r(
        "the tunnel device or its engine is gone",
        "",
        _E,
        cure="restart the daemon; see the log line before this one",
    )
    LEFTOVER_REMOVED = _r("removed what an earlier, killed run had left in the kernel", "", _I)


REASON_BY_CODE: Final = {
    reason.info.code: reason
    for reason in reversed(Reason)
    if reason.info.code is not None and reason is not Reason.DEREGISTERED
}
"""First reason in the list that carries a code: the mobile node names a denial by it."""
