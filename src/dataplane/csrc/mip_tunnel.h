/* mip_tunnel.h - one tunnel, and one packet with room in front of it. */
#ifndef MIP_TUNNEL_H
#define MIP_TUNNEL_H

#include "mip.h"

/* Which end of the tunnel this process is, for one home address. */
enum mip_side {
	MIP_HOME,    /* home agent: packets TO the home address go into the tunnel */
	MIP_CARE_OF, /* foreign agent or co-located mobile node: packets FROM it do */
	MIP_SIDES,
};

/* The IP protocol number is the name of the encapsulation; 47 and 55 will join it. */
enum mip_encap {
	MIP_ENCAP_IPIP = 4, /* RFC 2003 */
};

enum mip_flag {
	MIP_F_REVERSE = 1 << 0,    /* reverse tunnelling was registered (RFC 3024) */
	MIP_F_ECN_COMPAT = 1 << 1, /* RFC 6040 4.3 compatibility mode: outer is Not-ECT */
	MIP_F_ALL = MIP_F_REVERSE | MIP_F_ECN_COMPAT,
};

struct mip_tunnel {
	uint32_t home_be;
	uint32_t local_be, remote_be; /* outer source and destination as this end sends */
	uint32_t index;               /* of its counters */
	uint32_t flags;
	uint32_t outer_sum; /* of the outer header's constant words */
	uint16_t mtu;       /* the largest inner packet, bytes */
	uint8_t side, encap;
	uint32_t reserved; /* keeps the size a multiple of 8; zero */
};

/* The packet is data[0..len); headroom bytes in front of it may be written. */
struct mip_packet {
	uint8_t *data;
	uint32_t len, headroom;
};

#endif
