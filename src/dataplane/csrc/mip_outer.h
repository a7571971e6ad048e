/* mip_outer.h - the outer IPv4 header that IP-in-IP and GRE put in front. */
#ifndef MIP_OUTER_H
#define MIP_OUTER_H

#include "mip_bytes.h"
#include "mip_checksum.h"
#include "mip_ecn.h"
#include "mip_push.h"

/*
 * RFC 2003 3.1: ToS copied (ECN by RFC 6040), DF copied, TTL our own, options
 * not copied.  DF clear stays clear: we cannot tell such a sender of a smaller
 * path MTU (RFC 2003 5.1), so routers in the tunnel must be able to fragment.
 * payload: bytes from p->data on.
 */
static inline void mip_outer_push(struct mip_packet *p, const struct mip_ipv4 *inner,
				  const struct mip_tunnel *t, uint16_t id, uint8_t protocol, uint32_t payload)
{
	uint8_t *outer = p->data - MIP_IPV4_HEADER;
	uint8_t tos = mip_ecn_ingress(inner->tos, t->flags & MIP_F_ECN_COMPAT);
	uint16_t total = (uint16_t)(payload + MIP_IPV4_HEADER);
	uint16_t frag = inner->frag & MIP_IPV4_DF;
	/* Words in network order, and so is their sum. */
	uint64_t sum = (uint64_t)t->local_be + t->remote_be;

	sum += mip_store16(outer, (uint16_t)(MIP_VERSION_IHL << 8 | tos));
	sum += mip_store16(outer + 2, total);
	sum += mip_store16(outer + 4, id);
	sum += mip_store16(outer + 6, frag);
	sum += mip_store16(outer + 8, (uint16_t)(MIP_OUTER_TTL << 8 | protocol));
	mip_store16_be(outer + 10, (uint16_t)~mip_checksum_fold(sum));
	mip_store32_be(outer + 12, t->local_be);
	mip_store32_be(outer + 16, t->remote_be);
	p->data = outer;
	p->len = total;
	p->headroom -= MIP_IPV4_HEADER;
}

#endif
