/*
 * mip_encap.h - putting a packet into a tunnel and taking it out.
 *
 * The inner TTL is not touched: the kernel's forwarding has decremented it
 * before the packet reached the TUN device, and will again after it left
 * (RFC 2003 3.1 asks for one decrement per forwarding).
 */
#ifndef MIP_ENCAP_H
#define MIP_ENCAP_H

#include "mip_ipv4.h"
#include "mip_tunnel.h"

/* Checks a tunnel's values and fills in what is derived from them; false if impossible. */
bool mip_tunnel_prepare(struct mip_tunnel *t);

/* Bytes one encapsulation adds; 0 if it is not known. */
uint32_t mip_encap_overhead(enum mip_encap type);

/*
 * inner is the parsed header of p.  id is the outer Identification; it matters
 * only when the result may be fragmented (RFC 6864 4.1).  p changes only on MIP_OK.
 */
enum mip_drop mip_encapsulate(struct mip_packet *p, const struct mip_ipv4 *inner, const struct mip_tunnel *t,
			      uint16_t id);

struct mip_decap {
	struct mip_ipv4 outer, inner;
	bool ecn_unused;
};

/*
 * p is a whole outer datagram; afterwards the inner packet, ECN combined.
 * Who sent it is not checked here: mip_path_inbound() does.
 */
enum mip_drop mip_decapsulate(struct mip_packet *p, enum mip_encap type, struct mip_decap *out);

/* The one encapsulation there is (RFC 2003), for the dispatch in mip_encap.c. */
void mip_ipip_push(struct mip_packet *p, const struct mip_ipv4 *inner, const struct mip_tunnel *t,
		   uint16_t id);
uint32_t mip_ipip_sum(const struct mip_tunnel *t);

#endif
