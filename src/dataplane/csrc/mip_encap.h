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
#include "mip_offload.h"
#include "mip_tunnel.h"

enum { MIP_MINIMAL_SHORT = 8, MIP_MINIMAL_LONG = 12 }; /* without and with the original source */

/* Checks a tunnel's values and fills in what is derived from them; false if impossible. */
bool mip_tunnel_prepare(struct mip_tunnel *t);

/*
 * What makes of a datagram one to the home address, from the home agent, before it goes
 * through t: broadcasts to a foreign agent care-of address (RFC 5944 4.3).
 */
struct mip_tunnel mip_tunnel_nested(const struct mip_tunnel *t);

/* Bytes the encapsulation adds to a packet that is no fragment; 0 if it is not known. */
uint32_t mip_tunnel_overhead(const struct mip_tunnel *t);

/* The mtu of t over a path that carries so many bytes, from a device that takes at most widest. */
uint16_t mip_tunnel_width(const struct mip_tunnel *t, uint32_t path, uint32_t widest);

/* The largest inner packet.  Minimal encapsulation has a smaller one for fragments: they go by IP-in-IP. */
static inline uint16_t mip_tunnel_fits(const struct mip_tunnel *t, bool fragment)
{
	bool longer = fragment && t->encap == MIP_ENCAP_MINIMAL;

	return (uint16_t)(t->mtu - (longer ? MIP_IPV4_HEADER - MIP_MINIMAL_LONG : 0));
}

/* Whether a packet is itself a tunnelled datagram with the same destination inside (RFC 5944 4.2.3). */
bool mip_encap_is_to_itself(const uint8_t *packet, const struct mip_ipv4 *ip);

/*
 * inner is the parsed header of p.  id is the outer Identification; it matters
 * only when the result may be fragmented (RFC 6864 4.1).  p changes only on MIP_OK.
 */
enum mip_drop mip_encapsulate(struct mip_packet *p, const struct mip_ipv4 *inner, const struct mip_tunnel *t,
			      uint16_t id);

/* A super-packet as it is; id is that of its first segment, each further one has the next. */
enum mip_drop mip_encapsulate_whole(struct mip_packet *p, const struct mip_ipv4 *inner,
				    const struct mip_super *super, const struct mip_tunnel *t, uint16_t id);

/*
 * RFC 2003 3.1: one less in the TTL when forwarding.  For packets that come neither
 * from the TUN device nor go there: with those the kernel does it.
 */
enum mip_drop mip_encap_forward(uint8_t *packet, struct mip_ipv4 *ip);

/* mip_encapsulate() through mip_tunnel_nested(t) and then t. */
enum mip_drop mip_encapsulate_nested(struct mip_packet *p, const struct mip_ipv4 *inner,
				     const struct mip_tunnel *t, uint16_t id);

struct mip_decap {
	struct mip_ipv4 outer, inner;
	bool ecn_unused;
	bool has_key, has_sequence; /* GRE */
	uint32_t key, sequence;
};

/*
 * p is a whole outer datagram; afterwards the inner packet, ECN combined.
 * Who sent it is not checked here: mip_path_inbound() does.
 */
enum mip_drop mip_decapsulate(struct mip_packet *p, enum mip_encap type, struct mip_decap *out);

#endif
