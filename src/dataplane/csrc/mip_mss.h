/*
 * mip_mss.h - what a TCP SYN announces, made to fit a tunnel: for senders that do not
 * hear "fragmentation needed" (RFC 2923 2.1).
 */
#ifndef MIP_MSS_H
#define MIP_MSS_H

#include "mip_ipv4.h"

enum { MIP_MSS_HEADERS = 40 }; /* RFC 6691 2: IP and TCP headers without options */

/* Whether it is for mip_mss_clamp() to look at: cheap enough for every packet. */
static inline bool mip_mss_is_syn(const uint8_t *packet, const struct mip_ipv4 *ip)
{
	enum { TCP_HEADER = 20, TCP_FLAGS = 13, TCP_SYN = 0x02 };

	return ip->protocol == MIP_PROTO_TCP && !(ip->frag & MIP_IPV4_OFFSET) &&
	       ip->total - ip->header >= TCP_HEADER && packet[ip->header + TCP_FLAGS] & TCP_SYN;
}

/*
 * Lowers the maximum segment size that a SYN announces to what fits in mtu bytes, and the
 * checksum with it; true if it was more.  It is never raised, and one that is not there is not put
 * there.  A checksum that was left for a network card to finish is finished first.
 */
bool mip_mss_clamp(uint8_t *packet, const struct mip_ipv4 *ip, uint32_t mtu);

#endif
