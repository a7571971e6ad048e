/* mip_path.h - which tunnel a packet belongs to, and whether it may use it. */
#ifndef MIP_PATH_H
#define MIP_PATH_H

#include "mip_encap.h"
#include "mip_table.h"

/*
 * A packet from the TUN device.  A home agent tunnels what is addressed to a
 * home address (RFC 5944 4.1); a foreign agent or a co-located mobile node what
 * comes from one, if reverse tunnelling was registered (RFC 3024 4).
 */
enum mip_drop mip_path_outbound(const struct mip_table *table, const struct mip_ipv4 *inner,
				struct mip_tunnel *t);

/*
 * A packet out of a tunnel.  It is accepted at the care-of end if it is for a
 * home address there and came from that one's home agent; at the home end if it
 * is from a home address there and came from its care-of address (RFC 3024 4.4,
 * 6.2 of RFC 2003).  Both ends may know the packet: it needs to suit only one.
 */
enum mip_drop mip_path_inbound(const struct mip_table *table, enum mip_encap type, const struct mip_decap *d,
			       struct mip_tunnel *t);

/* Brings the slots the two functions above will read nearer. */
void mip_path_prefetch_outbound(const struct mip_table *table, const struct mip_ipv4 *inner);
void mip_path_prefetch_inbound(const struct mip_table *table, const struct mip_ipv4 *inner);

#endif
