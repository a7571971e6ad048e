/*
 * mip_frag.h - fragmentation of an IPv4 packet (RFC 791 3.2).
 *
 * An inner packet that is longer than its tunnel's MTU and may be fragmented is
 * fragmented before encapsulation: RFC 2003 5.1 prefers this, as the tunnel's
 * exit then need not reassemble.
 */
#ifndef MIP_FRAG_H
#define MIP_FRAG_H

#include "mip_ipv4.h"

struct mip_frag {
	const uint8_t *packet;
	struct mip_ipv4 ip;
	uint32_t mtu;
	uint32_t done;     /* payload bytes already in fragments */
	uint8_t later[60]; /* header of every fragment but the first */
	uint8_t later_len;
};

/*
 * False if the packet is malformed, has DF set, or mtu leaves no room for 8 bytes of payload;
 * or if it is a fragment of more than a datagram can be.
 */
bool mip_frag_begin(struct mip_frag *f, const uint8_t *packet, size_t len, uint32_t mtu);

/* Writes the next fragment and its length's worth of bytes; 0 at the end or if cap is too small. */
size_t mip_frag_next(struct mip_frag *f, uint8_t *out, size_t cap);

#endif
