#include "mip_encap.h"

#include "mip_bytes.h"
#include "mip_checksum.h"
#include "mip_ecn.h"

uint32_t mip_encap_overhead(enum mip_encap type)
{
	switch (type) {
	case MIP_ENCAP_IPIP:
		return MIP_IPV4_HEADER;
	}
	return 0;
}

bool mip_tunnel_prepare(struct mip_tunnel *t)
{
	uint32_t overhead = mip_encap_overhead((enum mip_encap)t->encap);

	if (overhead == 0 || t->side >= MIP_SIDES || (t->flags & ~(uint32_t)MIP_F_ALL))
		return false;
	if (t->mtu < MIP_MTU_MIN || t->mtu > MIP_PACKET_MAX - overhead)
		return false;
	if (!t->home_be || !t->local_be || !t->remote_be)
		return false;
	/* A tunnel that leads to its own entry, or to the address it carries, is a loop. */
	if (t->local_be == t->remote_be || t->home_be == t->remote_be || t->home_be == t->local_be)
		return false;
	t->outer_sum = mip_ipip_sum(t);
	t->reserved = 0;
	return true;
}

/*
 * RFC 2003 3.2.  A datagram whose source is one of our addresses must not be
 * tunnelled "when forwarding"; the kernel refuses to forward such a datagram
 * (martian source), so one that is here was made on this host, and may go.
 * Except when it is itself a tunnelled datagram: then the route to the tunnel's
 * exit leads into a tunnel, and every round would add a header.
 */
static enum mip_drop loop_check(const struct mip_ipv4 *inner, const struct mip_tunnel *t)
{
	if (inner->src_be == t->remote_be)
		return MIP_DROP_LOOP_SOURCE_IS_EXIT;
	if (inner->src_be == t->local_be && inner->protocol == t->encap)
		return MIP_DROP_LOOP_OWN_TUNNEL;
	return MIP_OK;
}

enum mip_drop mip_encapsulate(struct mip_packet *p, const struct mip_ipv4 *inner, const struct mip_tunnel *t,
			      uint16_t id)
{
	uint32_t overhead = mip_encap_overhead((enum mip_encap)t->encap);
	enum mip_drop loop = loop_check(inner, t);

	if (loop)
		return loop;
	if (inner->ttl == 0)
		return MIP_DROP_INNER_TTL;
	if (overhead == 0)
		return MIP_DROP_UNSUPPORTED;
	if (inner->total > t->mtu || inner->total + overhead > MIP_PACKET_MAX)
		return inner->frag & MIP_IPV4_DF ? MIP_DROP_TOO_BIG : MIP_DROP_NEEDS_FRAGMENTATION;
	if (p->headroom < overhead)
		return MIP_DROP_NO_HEADROOM;

	switch ((enum mip_encap)t->encap) {
	case MIP_ENCAP_IPIP:
		mip_ipip_push(p, inner, t, id);
		return MIP_OK;
	}
	return MIP_DROP_UNSUPPORTED;
}

static void set_ecn(uint8_t *ip, uint8_t ecn)
{
	uint16_t before = mip_load16(ip);
	uint16_t after = (uint16_t)((before & ~MIP_ECN_MASK) | ecn);

	if (before == after)
		return;
	mip_store16(ip, after);
	mip_store16(ip + 10, mip_checksum_update(mip_load16(ip + 10), before, after));
}

enum mip_drop mip_decapsulate(struct mip_packet *p, enum mip_encap type, struct mip_decap *out)
{
	uint8_t *inner;
	struct mip_ecn ecn;
	enum mip_drop drop = mip_ipv4_parse(p->data, p->len, MIP_OUTER, &out->outer);

	if (drop)
		return drop;
	if (out->outer.protocol != type)
		return MIP_DROP_OUTER_PROTOCOL;
	/* The kernel reassembles before a raw socket sees a datagram: not seen there. */
	if (mip_ipv4_is_fragment(&out->outer))
		return MIP_DROP_OUTER_FRAGMENT;
	if (type != MIP_ENCAP_IPIP)
		return MIP_DROP_UNSUPPORTED;

	inner = p->data + out->outer.header;
	drop = mip_ipv4_parse(inner, (size_t)(out->outer.total - out->outer.header), MIP_INNER, &out->inner);
	if (drop)
		return drop;
	if (out->inner.ttl == 0)
		return MIP_DROP_INNER_TTL;
	ecn = mip_ecn_egress(out->inner.tos, out->outer.tos);
	if (ecn.drop)
		return MIP_DROP_ECN_CONGESTION;

	set_ecn(inner, ecn.ecn);
	out->inner.tos = (uint8_t)((out->inner.tos & ~MIP_ECN_MASK) | ecn.ecn);
	out->ecn_unused = ecn.unused;
	p->data = inner;
	p->len = out->inner.total;
	p->headroom += out->outer.header;
	return MIP_OK;
}
