/* mip_ipip.c - IP encapsulation within IP (RFC 2003): the outer header. */
#include "mip_outer.h"

void mip_ipip_push(struct mip_packet *p, const struct mip_ipv4 *inner, const struct mip_tunnel *t,
		   uint16_t id)
{
	mip_outer_push(p, inner, t, id, MIP_PROTO_IPIP, inner->total);
}

uint32_t mip_outer_sum(const struct mip_tunnel *t, uint8_t protocol)
{
	uint32_t local = mip_host32(t->local_be), remote = mip_host32(t->remote_be);

	return (uint32_t)(MIP_VERSION_IHL << 8) + (uint32_t)(MIP_OUTER_TTL << 8 | protocol) + (local >> 16) +
	       (local & 0xffff) + (remote >> 16) + (remote & 0xffff);
}
