/* mip_ipip.c - IP encapsulation within IP (RFC 2003): the outer header. */
#include "mip_outer.h"

void mip_ipip_push(struct mip_packet *p, const struct mip_ipv4 *inner, const struct mip_tunnel *t,
		   uint16_t id)
{
	mip_outer_push(p, inner, t, id, MIP_PROTO_IPIP, inner->total);
}
