/* mip_path.h - which tunnel a packet belongs to, and whether it may use it. */
#ifndef MIP_PATH_H
#define MIP_PATH_H

#include "mip_encap.h"
#include "mip_group.h"

/* Where in the table a packet's tunnel is likely to be: as it is known at home, and at a care-of address. */
struct mip_near {
	uint32_t home, care_of;
};

/* For a batch: brings nearer what mip_path_outbound() or _inbound() will read, and says where that is. */
struct mip_near mip_path_near_outbound(const struct mip_table *table, const struct mip_ipv4 *inner);
struct mip_near mip_path_near_inbound(const struct mip_table *table, const struct mip_ipv4 *inner);

/*
 * A packet from the TUN device.  A home agent tunnels what is addressed to a
 * home address (RFC 5944 4.1); a foreign agent or a co-located mobile node what
 * comes from one, if reverse tunnelling was registered (RFC 3024 4); but not from one
 * that several visitors have: mip_links.h has those.  If t->beside is not 0, each of mip_group_find() gets a copy (RFC 5944 4.2.3).
 */
enum mip_drop mip_path_outbound(const struct mip_table *table, const struct mip_ipv4 *inner,
				struct mip_near near, struct mip_tunnel *t);

/*
 * A packet out of a tunnel.  It is accepted at the care-of end if it is for a
 * home address there and came from that one's home agent; at the home end if it
 * is from a home address there and came from its care-of address (RFC 3024 4.4,
 * 6.2 of RFC 2003).  Also, at a foreign agent, if the node itself tunnelled it
 * (encapsulating delivery, RFC 3024 5.2), and at a mobile node, if its home
 * agent did and nothing inside is for somebody known: a broadcast (RFC 5944 4.3).
 * Several ends may know the packet: it needs to suit only one.
 */
enum mip_drop mip_path_inbound(const struct mip_table *table, enum mip_encap type, const struct mip_decap *d,
			       struct mip_near near, struct mip_tunnel *t);

/* A packet that the node of t tunnelled to the foreign agent (RFC 3024 5.2), from its home address in both headers. */
enum mip_drop mip_path_delivery(const struct mip_tunnel *t, enum mip_encap type, const struct mip_decap *d);

/*
 * Whether a datagram that is in no tunnel of the table asks what the path carries: an echo request with
 * the same addresses inside as outside.  Anybody could have sent it without a tunnel.
 */
bool mip_path_is_probe(const uint8_t *packet, const struct mip_decap *d);

/*
 * What an ICMP error quotes of a datagram that is said to be ours: the outer header; a GRE key, if one is in it and the
 * quote does not end before; the addresses of the inner packet, likewise.
 */
struct mip_quote {
	uint32_t local_be, remote_be;
	uint8_t encap;
	bool keyed, has_key, has_inner;
	uint32_t key, src_be, dst_be;
};

/* Whether it may have come from t (RFC 1191 8: who forges one must guess all this). */
bool mip_path_sends(const struct mip_tunnel *t, const struct mip_quote *q);

/* Whether what mip_path_inbound() accepted goes into t again, and not to the TUN device (RFC 3024 5.2). */
static inline bool mip_path_is_delivery(const struct mip_decap *d, const struct mip_tunnel *t)
{
	return d->outer.src_be == t->home_be && t->side == MIP_CARE_OF;
}

#endif
