/* mip_ipip.c - IP encapsulation within IP (RFC 2003): the outer header. */
#include "mip_bytes.h"
#include "mip_checksum.h"
#include "mip_ecn.h"
#include "mip_encap.h"

enum { VERSION_IHL = 0x45 };

/* The words of the outer header that do not change from packet to packet. */
uint32_t mip_ipip_sum(const struct mip_tunnel *t)
{
	uint32_t local = mip_host32(t->local_be), remote = mip_host32(t->remote_be);

	return (uint32_t)(VERSION_IHL << 8) + (uint32_t)(MIP_OUTER_TTL << 8 | MIP_PROTO_IPIP) +
	       (local >> 16) + (local & 0xffff) + (remote >> 16) + (remote & 0xffff);
}

/*
 * RFC 2003 3.1: ToS copied (ECN by RFC 6040), DF copied, TTL our own, options
 * not copied.  DF clear stays clear: we cannot tell such a sender of a smaller
 * path MTU (RFC 2003 5.1), so routers in the tunnel must be able to fragment.
 */
void mip_ipip_push(struct mip_packet *p, const struct mip_ipv4 *inner, const struct mip_tunnel *t,
		   uint16_t id)
{
	uint8_t *outer = p->data - MIP_IPV4_HEADER;
	uint8_t tos = mip_ecn_ingress(inner->tos, t->flags & MIP_F_ECN_COMPAT);
	uint16_t total = (uint16_t)(inner->total + MIP_IPV4_HEADER);
	uint16_t frag = inner->frag & MIP_IPV4_DF;
	uint64_t sum = (uint64_t)t->outer_sum + tos + total + id + frag;

	outer[0] = VERSION_IHL;
	outer[1] = tos;
	mip_store16(outer + 2, total);
	mip_store16(outer + 4, id);
	mip_store16(outer + 6, frag);
	outer[8] = MIP_OUTER_TTL;
	outer[9] = MIP_PROTO_IPIP;
	mip_store16(outer + 10, (uint16_t)~mip_checksum_fold(sum));
	mip_store32_be(outer + 12, t->local_be);
	mip_store32_be(outer + 16, t->remote_be);
	p->data = outer;
	p->len = total;
	p->headroom -= MIP_IPV4_HEADER;
}
