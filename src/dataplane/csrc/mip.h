/*
 * mip.h - the lists every other file expands: why a packet was dropped, what
 * is counted, what is told to the control plane; and the limits of the engine.
 *
 * A drop reason or a counter exists once, here.  The enum, the strings, the
 * per-thread arrays and the Python enums are made from these lists.
 */
#ifndef MIP_H
#define MIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(NAME, "label", "meaning") */
#define MIP_DROP_LIST(X)                                                                                     \
	X(NO_BINDING, "no-binding", "the inner address is in no tunnel of the table")                        \
	X(INNER_TRUNCATED, "inner-truncated", "the inner packet is shorter than its header says")            \
	X(INNER_NOT_IPV4, "inner-not-ipv4", "the inner packet is not IPv4")                                  \
	X(INNER_HEADER, "inner-bad-header", "the inner header length or total length is impossible")         \
	X(INNER_CHECKSUM, "inner-bad-checksum", "the inner header checksum is wrong")                        \
	X(INNER_TTL, "inner-ttl-zero", "the inner TTL is 0 (RFC 2003 3.1)")                                  \
	X(OUTER_TRUNCATED, "outer-truncated", "the outer datagram is shorter than its header says")          \
	X(OUTER_NOT_IPV4, "outer-not-ipv4", "the outer datagram is not IPv4")                                \
	X(OUTER_HEADER, "outer-bad-header", "the outer header length or total length is impossible")         \
	X(OUTER_CHECKSUM, "outer-bad-checksum", "the outer header checksum is wrong")                        \
	X(OUTER_PROTOCOL, "outer-wrong-protocol", "the outer protocol is not the encapsulation expected")    \
	X(GRE_TRUNCATED, "gre-truncated", "the GRE header ends beyond the datagram")                         \
	X(GRE_HEADER, "gre-bad-header", "GRE flags or version that RFC 2784 says to discard")                \
	X(GRE_CHECKSUM, "gre-bad-checksum", "the GRE checksum is wrong")                                     \
	X(GRE_PROTOCOL, "gre-wrong-protocol", "GRE carries something else than IPv4")                        \
	X(GRE_KEY, "gre-wrong-key", "not the GRE key of the tunnel, or one where there is none")             \
	X(GRE_SEQUENCE, "gre-out-of-sequence", "older than what came before (RFC 2890 2.2)")                 \
	X(MINIMAL_TRUNCATED, "minimal-truncated", "the minimal header ends beyond the datagram (RFC 2004)")  \
	X(MINIMAL_CHECKSUM, "minimal-bad-checksum", "the checksum of the minimal header is wrong")           \
	X(OUTER_FRAGMENT, "outer-fragment", "the outer datagram is a fragment, not a whole datagram")        \
	X(WRONG_OUTER_SOURCE, "wrong-outer-source", "the outer source is not the tunnel's other end")        \
	X(WRONG_OUTER_DESTINATION, "wrong-outer-destination", "the outer destination is not our tunnel end") \
	X(WRONG_ENCAPSULATION, "wrong-encapsulation", "the tunnel uses another encapsulation")               \
	X(NOT_REVERSE, "not-reverse", "reverse tunnelling was not registered (RFC 3024 4.4)")                \
	X(NOT_DELIVERY, "not-delivery-style", "the node did not ask for encapsulating delivery (RFC 3024)")  \
	X(SHARED_ADDRESS, "shared-address",                                                                  \
	  "several visitors have this source, and nothing says which it was")                                \
	X(ECN_CONGESTION, "ecn-congestion", "congestion marked on a packet without ECN (RFC 6040 4.2)")      \
	X(LOOP_SOURCE_IS_EXIT, "loop-source-is-exit", "the inner source is the tunnel exit (RFC 2003 3.2)")  \
	X(LOOP_OWN_TUNNEL, "loop-own-tunnel", "our own tunnelled datagram came back (RFC 2003 3.2)")         \
	X(LOOP_CARE_OF, "loop-care-of", "tunnelled to the node by its own care-of address (RFC 5944 4.2.3)") \
	X(OFFLOAD, "bad-offload", "the TUN device described a packet that its headers do not suit")          \
	X(MULTICAST_WAY, "multicast-way", "no tunnel for multicasts from this source (RFC 5944 4.4)")        \
	X(MULTICAST_SCOPE, "multicast-scope", "a node's multicast of its own link, which is not forwarded")  \
	X(MULTICAST_LOOP, "multicast-loop", "a multicast of an absent node came back on its home link")      \
	X(MULTICAST_OVERFLOW, "multicast-overflow",                                                          \
	  "nodes sent multicasts quicker than they were forwarded")                                          \
	X(TOO_BIG, "too-big", "longer than the tunnel MTU and DF is set; the sender is told (RFC 1191)")     \
	X(NEEDS_FRAGMENTATION, "needs-fragmentation", "longer than the tunnel MTU and DF is clear")          \
	X(NO_HEADROOM, "no-headroom", "the buffer has no room for the outer header")                         \
	X(UNSUPPORTED, "unsupported-encapsulation", "this engine cannot make that encapsulation")            \
	X(SEND_TOO_BIG, "send-too-big", "the outgoing device's MTU is smaller than the tunnel's (EMSGSIZE)") \
	X(SEND_NO_BUFFERS, "send-no-buffers", "the kernel had no buffer for the datagram")                   \
	X(SEND_UNREACHABLE, "send-unreachable", "no route to the tunnel's other end")                        \
	X(SEND_REFUSED, "send-refused", "a packet filter refused the datagram")                              \
	X(SEND_BLOCKED, "send-blocked", "the send buffer stayed full")                                       \
	X(SEND_FAILED, "send-failed", "the kernel refused the datagram for another reason")                  \
	X(DEVICE_DOWN, "device-down", "the TUN device is down")                                              \
	X(DEVICE_REFUSED, "device-refused", "the TUN device refused the packet")

#define MIP_COUNTER_LIST(X)                                                                                \
	X(DEVICE_READ_PACKETS, "device-read-packets", "packets read from the TUN device")                  \
	X(DEVICE_READ_BYTES, "device-read-bytes", "bytes of the packets read from the TUN device")         \
	X(SUPER_PACKETS, "super-packets",                                                                  \
	  "super-packets read from it (TSO, USO), counted above as segments")                              \
	X(WHOLE_PACKETS, "whole-packets", "of these, sent as they are, for the kernel or the card to cut") \
	X(ENCAPSULATED_PACKETS, "encapsulated-packets", "inner packets and fragments sent into tunnels")   \
	X(ENCAPSULATED_BYTES, "encapsulated-bytes", "bytes of these, without the outer header")            \
	X(PAST_ROUTING, "past-routing", "of these, sent to a known next hop: not routed, not filtered")    \
	X(RECEIVED_PACKETS, "received-packets", "tunnelled datagrams received")                            \
	X(RECEIVED_BYTES, "received-bytes", "bytes of these, with the outer header")                       \
	X(RECEIVE_OVERFLOW, "receive-overflow", "datagrams the kernel dropped: the buffer was full")       \
	X(DECAPSULATED_PACKETS, "decapsulated-packets", "inner packets written to the TUN device")         \
	X(DECAPSULATED_BYTES, "decapsulated-bytes", "bytes of these")                                      \
	X(COALESCED_PACKETS, "coalesced-packets", "of these, written as part of a super-packet")           \
	X(FRAGMENTED_PACKETS, "fragmented-packets", "inner packets fragmented to the tunnel MTU")          \
	X(FRAGMENTS, "fragments", "fragments made of them")                                                \
	X(DELIVERED_PACKETS, "delivered-packets", "packets nodes tunnelled to us, sent on to home agents") \
	X(COPIED_PACKETS, "copied-packets", "copies for a second and further care-of address")             \
	X(LINK_READ_PACKETS, "link-read-packets",                                                          \
	  "packets of visitors with a shared address, off their link")                                     \
	X(LINK_SENT_PACKETS, "link-sent-packets", "packets to such visitors, put on their link")           \
	X(BROADCASTS, "broadcasts", "broadcasts received on home links")                                   \
	X(BROADCAST_COPIES, "broadcast-copies", "copies made of them for the nodes that asked")            \
	X(BROADCAST_LIMITED, "broadcast-rate-limited", "broadcasts some nodes missed: over the limit")     \
	X(MULTICASTS, "multicasts", "multicasts received on home links for groups of absent nodes")        \
	X(NODE_MULTICASTS, "node-multicasts", "multicasts that nodes sent through their tunnels")          \
	X(HOME_MULTICASTS, "home-multicasts", "of these, sent on to home links")                           \
	X(MULTICAST_COPIES, "multicast-copies", "copies of multicasts made for absent nodes")              \
	X(MULTICAST_LIMITED, "multicast-rate-limited", "multicasts some nodes missed: over the limit")     \
	X(IGMP_RECEIVED, "igmp-received", "IGMP messages that nodes sent through their tunnels")           \
	X(ICMP_SENT, "icmp-sent", "fragmentation-needed messages sent")                                    \
	X(UNREACHABLE_SENT, "unreachable-sent",                                                            \
	  "senders told that the tunnel's other end is out of reach (RFC 2003 5)")                         \
	X(ICMP_FORBIDDEN, "icmp-forbidden", "messages RFC 1812 4.3.2.7 does not let us send")              \
	X(ICMP_LIMITED, "icmp-rate-limited", "messages over the rate limit (RFC 1812 4.3.2.8)")            \
	X(ICMP_FAILED, "icmp-failed", "messages the kernel would not send")                                \
	X(ECN_UNUSED, "ecn-unused-combination", "decapsulated with ECN fields RFC 6040 4.2 calls unused")  \
	X(PROBES_RECEIVED, "probes-received",                                                              \
	  "echo requests of another tunnel end itself, which asks what the path carries")                  \
	X(MSS_CLAMPED, "mss-clamped", "TCP SYNs that announced more than the tunnel carries, lowered")     \
	X(CHECKSUM_PENDING, "checksum-pending", "decapsulated with a transport checksum left to finish")   \
	X(MERGED_RECEIVED, "merged-received", "packets the network card had merged, to be cut again")      \
	X(EVENTS_LOST, "events-lost", "events lost because nobody read them")

/* X(NAME, "label", "meaning of address and value") */
#define MIP_EVENT_LIST(X)                                                                                \
	X(THREAD_FAILED, "thread-failed", "a thread gave up; value is the errno, address is 0")          \
	X(UNKNOWN_HOME, "unknown-home", "address is in no tunnel; at most one a second for each thread") \
	X(TUNNEL_TOO_BIG, "tunnel-too-big",                                                              \
	  "a datagram of value bytes to address was over a device's MTU; sampled too")                   \
	X(WRONG_SOURCE, "wrong-source",                                                                  \
	  "value packets since the last such event failed the source check (RFC 3024 4.3.2), the last "  \
	  "with address outside and inner inside; sampled too")                                          \
	X(LARGE_PACKET, "large-packet",                                                                  \
	  "a datagram of value bytes with DF went to address, in the tunnel of the home address inner; " \
	  "sampled for each address")                                                                    \
	X(UNDERLAY_FELL_BACK, "underlay-fell-back",                                                      \
	  "a thread sends by the raw socket from now on; value is the errno, address is 0")              \
	X(PORT_LOST, "port-lost",                                                                        \
	  "nothing goes by AF_XDP on the interface whose index is address: inner, as a number, is the "  \
	  "stage; value the errno")

#define MIP_DROP_ENUM(name, label, meaning) MIP_DROP_##name,
#define MIP_COUNTER_ENUM(name, label, meaning) MIP_COUNTER_##name,
#define MIP_EVENT_ENUM(name, label, meaning) MIP_EVENT_##name,

enum mip_drop { MIP_OK, MIP_DROP_LIST(MIP_DROP_ENUM) MIP_DROP_END };
enum mip_counter { MIP_COUNTER_LIST(MIP_COUNTER_ENUM) MIP_COUNTER_END };
enum mip_event_type { MIP_EVENT_LIST(MIP_EVENT_ENUM) MIP_EVENT_END };

/* What hardly any packet meets, for the compiler: the way of the others is to be straight. */
#define MIP_SELDOM(condition) __builtin_expect(!!(condition), 0)

struct mip_name {
	const char *name, *label, *meaning;
};

extern const struct mip_name mip_drop_names[MIP_DROP_END];
extern const struct mip_name mip_counter_names[MIP_COUNTER_END];
extern const struct mip_name mip_event_names[MIP_EVENT_END];

enum {
	MIP_BATCH = 64,         /* packets in one system call where there is such a call */
	MIP_HEADROOM = 64,      /* in front of every packet read: outer header, device header */
	MIP_PACKET_MAX = 65535, /* an IPv4 total length */
	MIP_OUTER_TTL = 64,     /* RFC 2003 3.1: "appropriate for delivery"; RFC 1700 default */
	MIP_MTU_MIN = 68,       /* RFC 791: what every module must forward unfragmented */
	MIP_ICMP_MAX = 576,     /* RFC 1812 4.3.2.3 */
	MIP_PATH_FLOOR = 576,   /* what every path is taken to carry (RFC 791 3.1: every host does) */
	MIP_CAPACITY_MAX = 1 << 24,
};

#endif
