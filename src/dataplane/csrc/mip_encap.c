#include "mip_encap.h"

#include "mip_bytes.h"
#include "mip_checksum.h"
#include "mip_ecn.h"
#include "mip_push.h"

uint32_t mip_tunnel_overhead(const struct mip_tunnel *t)
{
	switch (t->encap) {
	case MIP_ENCAP_IPIP:
		return MIP_IPV4_HEADER;
	case MIP_ENCAP_GRE:
		return MIP_IPV4_HEADER + mip_gre_size(t->flags);
	case MIP_ENCAP_MINIMAL:
		return MIP_MINIMAL_LONG;
	}
	return 0;
}

/* Room in front that is enough for any packet. */
static uint32_t room_for(const struct mip_tunnel *t)
{
	return t->encap == MIP_ENCAP_MINIMAL ? MIP_IPV4_HEADER : mip_tunnel_overhead(t);
}

uint16_t mip_tunnel_width(const struct mip_tunnel *t, uint32_t path, uint32_t widest)
{
	uint32_t overhead = mip_tunnel_overhead(t), most = MIP_PACKET_MAX - overhead;
	uint32_t mtu = path > overhead ? path - overhead : 0;

	/* Minimal encapsulation has fragments go by IP-in-IP. */
	if (most > MIP_PACKET_MAX - MIP_IPV4_HEADER)
		most = MIP_PACKET_MAX - MIP_IPV4_HEADER;
	if (mtu > widest)
		mtu = widest;
	if (mtu > most)
		mtu = most;
	return (uint16_t)(mtu < MIP_MTU_MIN ? MIP_MTU_MIN : mtu);
}

static const uint16_t allowed_flags[MIP_SIDES] = {
	[MIP_HOME] = MIP_F_REVERSE | MIP_F_ECN_COMPAT | MIP_F_BROADCAST | MIP_F_NESTED | MIP_F_MULTICAST,
	[MIP_CARE_OF] = MIP_F_REVERSE | MIP_F_ECN_COMPAT | MIP_F_DELIVERY | MIP_F_SHARED,
	[MIP_NODE] = MIP_F_ECN_COMPAT | MIP_F_MULTICAST,
};

enum { GRE_FLAGS = MIP_F_GRE_KEY | MIP_F_GRE_CHECKSUM | MIP_F_GRE_SEQUENCE };

/*
 * A tunnel whose outer address is the home address itself: only on the mobile
 * node.  With encapsulating delivery (RFC 3024 5.2) it may be that; an agent has
 * the same flag and an address of its own.
 */
static bool ends_at_home_address(const struct mip_tunnel *t)
{
	return t->side == MIP_NODE || (t->flags & MIP_F_DELIVERY && t->home_be == t->local_be);
}

bool mip_tunnel_prepare(struct mip_tunnel *t)
{
	uint32_t overhead = mip_tunnel_overhead(t);
	int gre = t->encap == MIP_ENCAP_GRE ? GRE_FLAGS : 0;

	if (overhead == 0 || t->side >= MIP_SIDES || (t->flags & ~(allowed_flags[t->side] | gre)))
		return false;
	if (t->mtu < MIP_MTU_MIN || t->mtu > MIP_PACKET_MAX - overhead)
		return false;
	if (!t->home_be || !t->local_be || !t->remote_be)
		return false;
	/* A tunnel that leads to its own entry, or to the address it carries, is a loop. */
	if (t->local_be == t->remote_be || t->home_be == t->remote_be)
		return false;
	if ((t->home_be == t->local_be) != ends_at_home_address(t))
		return false;
	if ((t->flags & MIP_F_NESTED) && !(t->flags & (MIP_F_BROADCAST | MIP_F_MULTICAST)))
		return false;
	t->rank = t->beside = 0;
	return true;
}

struct mip_tunnel mip_tunnel_nested(const struct mip_tunnel *t)
{
	struct mip_tunnel nested = *t;

	nested.remote_be = t->home_be;
	nested.encap = MIP_ENCAP_IPIP;
	nested.mtu = (uint16_t)(t->mtu - MIP_IPV4_HEADER);
	return nested;
}

bool mip_encap_is_to_itself(const uint8_t *packet, const struct mip_ipv4 *ip)
{
	const uint8_t *payload = packet + ip->header;
	uint32_t len = (uint32_t)(ip->total - ip->header), inside_be;

	if (ip->frag & MIP_IPV4_OFFSET)
		return false;
	switch (ip->protocol) {
	case MIP_PROTO_IPIP:
		return len >= MIP_IPV4_HEADER && mip_load32_be(payload + 16) == ip->dst_be;
	case MIP_PROTO_GRE:
		return mip_gre_destination(payload, len, &inside_be) && inside_be == ip->dst_be;
	case MIP_PROTO_MINIMAL:
		return len >= MIP_MINIMAL_SHORT && mip_load32_be(payload + 4) == ip->dst_be;
	}
	return false;
}

/*
 * RFC 2003 3.2.  A datagram whose source is one of our addresses must not be
 * tunnelled "when forwarding"; the kernel refuses to forward such a datagram
 * (martian source), so one that is here was made on this host, and may go.
 * Except when it is itself a tunnelled datagram: then the route to the tunnel's
 * exit leads into a tunnel, and every round would add a header.  A mobile node that
 * tunnels from its home address may make others, to elsewhere.
 */
static enum mip_drop loop_check(const struct mip_packet *p, const struct mip_ipv4 *inner,
				const struct mip_tunnel *t)
{
	if (inner->src_be == t->remote_be)
		return t->side == MIP_HOME && mip_encap_is_to_itself(p->data, inner)
			       ? MIP_DROP_LOOP_CARE_OF
			       : MIP_DROP_LOOP_SOURCE_IS_EXIT;
	if (inner->src_be == t->local_be && mip_encap_is_known(inner->protocol) &&
	    (t->local_be != t->home_be || inner->dst_be == t->remote_be))
		return MIP_DROP_LOOP_OWN_TUNNEL;
	return MIP_OK;
}

/* By which encapsulation a packet goes; fragments too, when t has another for them. */
static inline enum mip_encap kind_for(const struct mip_tunnel *t, bool fragment)
{
	/* RFC 2004 3: its header has no room for a fragment's fields. */
	return fragment && t->encap == MIP_ENCAP_MINIMAL ? MIP_ENCAP_IPIP : t->encap;
}

static void push(struct mip_packet *p, const struct mip_ipv4 *inner, const struct mip_tunnel *t, uint16_t id)
{
	switch (kind_for(t, mip_ipv4_is_fragment(inner))) {
	case MIP_ENCAP_IPIP:
		mip_ipip_push(p, inner, t, id);
		break;
	case MIP_ENCAP_GRE:
		mip_gre_push(p, inner, t, id);
		break;
	case MIP_ENCAP_MINIMAL:
		mip_minimal_push(p, inner, t);
		break;
	}
}

/* Why a packet cannot go into t, if it cannot; largest: bytes of the largest that it stands for. */
static __attribute__((noinline)) enum mip_drop objection(const struct mip_packet *p,
							 const struct mip_ipv4 *inner,
							 const struct mip_tunnel *t, uint32_t largest)
{
	const bool fragment = mip_ipv4_is_fragment(inner);
	const enum mip_encap kind = kind_for(t, fragment);
	const enum mip_drop loop = loop_check(p, inner, t);

	if (loop)
		return loop;
	if (inner->ttl == 0)
		return MIP_DROP_INNER_TTL;
	if (!mip_encap_is_known((uint8_t)kind))
		return MIP_DROP_UNSUPPORTED;
	if (largest > mip_tunnel_fits(t, fragment) ||
	    inner->total + (kind == MIP_ENCAP_IPIP ? MIP_IPV4_HEADER : mip_tunnel_overhead(t)) >
		    MIP_PACKET_MAX)
		return inner->frag & MIP_IPV4_DF ? MIP_DROP_TOO_BIG : MIP_DROP_NEEDS_FRAGMENTATION;
	if (p->headroom < (kind == MIP_ENCAP_IPIP ? MIP_IPV4_HEADER : room_for(t)))
		return MIP_DROP_NO_HEADROOM;
	return MIP_OK;
}

/* The same for nearly every packet, in few comparisons: false if there may be an objection. */
static inline bool may_pass(const struct mip_packet *p, const struct mip_ipv4 *inner,
			    const struct mip_tunnel *t)
{
	return inner->src_be != t->remote_be && inner->src_be != t->local_be && inner->ttl != 0 &&
	       inner->total <= t->mtu && inner->total <= MIP_PACKET_MAX - MIP_IPV4_HEADER &&
	       p->headroom >= MIP_IPV4_HEADER;
}

enum mip_drop mip_encapsulate(struct mip_packet *p, const struct mip_ipv4 *inner, const struct mip_tunnel *t,
			      uint16_t id)
{
	enum mip_drop drop;

	if (!MIP_SELDOM(t->encap != MIP_ENCAP_IPIP || !may_pass(p, inner, t))) {
		mip_ipip_push(p, inner, t, id);
		return MIP_OK;
	}
	drop = objection(p, inner, t, inner->total);
	if (!drop)
		push(p, inner, t, id);
	return drop;
}

enum mip_drop mip_encapsulate_whole(struct mip_packet *p, const struct mip_ipv4 *inner,
				    const struct mip_super *super, const struct mip_tunnel *t, uint16_t id)
{
	enum mip_drop drop = objection(p, inner, t, (uint32_t)super->headers + super->size);

	if (!drop)
		push(p, inner, t, id);
	return drop;
}

enum mip_drop mip_encapsulate_nested(struct mip_packet *p, const struct mip_ipv4 *inner,
				     const struct mip_tunnel *t, uint16_t id)
{
	const struct mip_tunnel first = mip_tunnel_nested(t);
	struct mip_ipv4 nested;
	enum mip_drop drop;

	if (p->headroom < MIP_IPV4_HEADER + room_for(t))
		return MIP_DROP_NO_HEADROOM;
	drop = mip_encapsulate(p, inner, &first, id);
	if (!drop)
		drop = mip_ipv4_parse(p->data, p->len, MIP_INNER, &nested);
	/* Neither MTU nor headroom can stop the second, and its source is the tunnel's own end. */
	if (!drop)
		push(p, &nested, t, id);
	return drop;
}

enum mip_drop mip_encap_forward(uint8_t *packet, struct mip_ipv4 *ip)
{
	uint16_t before = mip_load16(packet + 8), after = (uint16_t)(before - 0x100);

	if (ip->ttl <= 1)
		return MIP_DROP_INNER_TTL;
	mip_store16(packet + 8, after);
	mip_store16(packet + 10, mip_checksum_update(mip_load16(packet + 10), before, after));
	ip->ttl--;
	return MIP_OK;
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
	uint32_t skip;
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
	out->has_key = out->has_sequence = out->ecn_unused = false;
	skip = out->outer.header;
	switch (type) {
	case MIP_ENCAP_IPIP:
		break;
	case MIP_ENCAP_GRE: {
		uint32_t size;

		drop = mip_gre_parse(p->data + skip, out->outer.total - skip, out, &size);
		if (drop)
			return drop;
		skip += size;
		break;
	}
	case MIP_ENCAP_MINIMAL:
		/* One header: nothing to combine. */
		return out->outer.ttl == 0 ? MIP_DROP_INNER_TTL : mip_minimal_pop(p, out);
	default:
		return MIP_DROP_UNSUPPORTED;
	}

	inner = p->data + skip;
	drop = mip_ipv4_parse(inner, out->outer.total - skip, MIP_INNER, &out->inner);
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
	p->headroom += skip;
	return MIP_OK;
}
