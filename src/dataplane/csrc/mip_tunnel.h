/* mip_tunnel.h - one tunnel, and one packet with room in front of it. */
#ifndef MIP_TUNNEL_H
#define MIP_TUNNEL_H

#include "mip.h"

/* Which end of the tunnel this process is, for one home address. */
enum mip_side {
	MIP_HOME,    /* home agent: packets TO the home address go into the tunnel */
	MIP_CARE_OF, /* foreign agent or co-located mobile node: packets FROM it do */
	MIP_NODE,    /* mobile node: what its home agent tunnels to one of its addresses comes out */
	MIP_SIDES,
};

/* The IP protocol number is the name of the encapsulation. */
enum mip_encap {
	MIP_ENCAP_IPIP = 4,     /* RFC 2003 */
	MIP_ENCAP_GRE = 47,     /* RFC 2784, RFC 2890 */
	MIP_ENCAP_MINIMAL = 55, /* RFC 2004; fragments go by IP-in-IP */
};

enum { MIP_ENCAPS = 3 };

/* Whether a datagram of this IP protocol is a tunnelled one. */
static inline bool mip_encap_is_known(uint8_t protocol)
{
	return protocol == MIP_ENCAP_IPIP || protocol == MIP_ENCAP_GRE || protocol == MIP_ENCAP_MINIMAL;
}

enum mip_flag {
	MIP_F_REVERSE = 1 << 0,    /* reverse tunnelling was registered (RFC 3024) */
	MIP_F_ECN_COMPAT = 1 << 1, /* RFC 6040 4.3 compatibility mode: outer is Not-ECT */
	MIP_F_BROADCAST = 1 << 2,  /* home end: broadcasts of the home link too (RFC 5944 4.3) */
	MIP_F_NESTED = 1 << 3,   /* these first in a datagram to the home address: a foreign agent is there */
	MIP_F_DELIVERY = 1 << 4, /* care-of end: encapsulating delivery style (RFC 3024 5.2) */
	/* GRE both ways: with the keys, a checksum, a sequence number. */
	MIP_F_GRE_KEY = 1 << 5,
	MIP_F_GRE_CHECKSUM = 1 << 6,
	MIP_F_GRE_SEQUENCE = 1 << 7,
	MIP_F_SHARED =
		1 << 8, /* care-of end: others have this home address too (RFC 3024 A.3); mip_links.h */
	/*
	 * RFC 5944 4.4.  Home end: the node's multicasts are the broadcast thread's, not the
	 * device's.  Node end, from the home address: multicasts go in here.
	 */
	MIP_F_MULTICAST = 1 << 9,
};

/* In half a cache line: a slot of the table holds it, with a count of changes in the place of the sequence number. */
struct mip_tunnel {
	uint32_t home_be;
	uint32_t index : 24; /* of its counters */
	enum mip_side side : 2;
	uint32_t rank : 3,
		beside : 3; /* its place among those of its home address; in the first: how many others */
	uint32_t local_be, remote_be; /* outer source and destination as this end sends */
	uint16_t mtu;                 /* the largest inner packet, bytes */
	enum mip_flag flags : 10;
	enum mip_encap encap : 6;
	uint32_t key_out, key_in; /* RFC 6245: each end chooses what it receives */
	uint32_t sequence;        /* for mip_encapsulate(), of this packet */
};

enum { MIP_RANKS = 8 };

_Static_assert(sizeof(struct mip_tunnel) == 32 && MIP_CAPACITY_MAX <= 1 << 24, "as said above");

/*
 * A packet of len bytes, at data; headroom bytes in front of it may be written.  The
 * last tail_len bytes may be elsewhere, at an even offset of the packet; tail_sum is their folded sum.
 */
struct mip_packet {
	uint8_t *data;
	uint32_t len, headroom;
	const uint8_t *tail;
	uint32_t tail_len;
	uint16_t tail_sum;
};

#endif
