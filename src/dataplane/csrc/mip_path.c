#include "mip_path.h"

static inline bool find(const struct mip_table *table, uint32_t home_be, enum mip_side side,
			struct mip_tunnel *t)
{
	return mip_table_has(table, side) && mip_table_find(table, home_be, side, t);
}

static inline bool find_near(const struct mip_table *table, uint32_t near, uint32_t home_be,
			     enum mip_side side, struct mip_tunnel *t)
{
	return mip_table_has(table, side) && mip_table_find_near(table, near, home_be, side, t);
}

/*
 * RFC 5944 4.4: a mobile node tunnels its multicasts with its home address in both
 * headers, to its home agent or, by encapsulating delivery, to a foreign agent (RFC 3024 5.3).
 */
static __attribute__((noinline)) enum mip_drop outbound_multicast(const struct mip_table *table,
								  const struct mip_ipv4 *inner,
								  struct mip_tunnel *t)
{
	if (find(table, inner->src_be, MIP_NODE, t) && t->flags & MIP_F_MULTICAST)
		return MIP_OK;
	if (find(table, inner->src_be, MIP_CARE_OF, t) && t->local_be == t->home_be &&
	    t->flags & MIP_F_REVERSE)
		return MIP_OK;
	return MIP_DROP_MULTICAST_WAY;
}

enum mip_drop mip_path_outbound(const struct mip_table *table, const struct mip_ipv4 *inner,
				struct mip_near near, struct mip_tunnel *t)
{
	if (MIP_SELDOM(mip_is_multicast(inner->dst_be)))
		return outbound_multicast(table, inner, t);
	if (find_near(table, near.home, inner->dst_be, MIP_HOME, t))
		return MIP_OK;
	if (!find_near(table, near.care_of, inner->src_be, MIP_CARE_OF, t))
		return MIP_DROP_NO_BINDING;
	if (t->flags & MIP_F_SHARED)
		return MIP_DROP_SHARED_ADDRESS;
	return t->flags & MIP_F_REVERSE ? MIP_OK : MIP_DROP_NOT_REVERSE;
}

static enum mip_drop check_gre(const struct mip_tunnel *t, const struct mip_decap *d)
{
	if (t->flags & MIP_F_GRE_KEY)
		return d->has_key && d->key == t->key_in ? MIP_OK : MIP_DROP_GRE_KEY;
	return d->has_key ? MIP_DROP_GRE_KEY : MIP_OK;
}

static inline enum mip_drop check_encap(const struct mip_tunnel *t, enum mip_encap type,
					const struct mip_decap *d)
{
	if (t->encap == type)
		return MIP_OK;
	/* RFC 2004 3: what was a fragment came the other way. */
	if (t->encap == MIP_ENCAP_MINIMAL && type == MIP_ENCAP_IPIP && mip_ipv4_is_fragment(&d->inner))
		return MIP_OK;
	return MIP_DROP_WRONG_ENCAPSULATION;
}

static inline enum mip_drop check_outer(const struct mip_tunnel *t, enum mip_encap type,
					const struct mip_decap *d)
{
	enum mip_drop drop;

	if (d->outer.src_be != t->remote_be)
		return MIP_DROP_WRONG_OUTER_SOURCE;
	if (d->outer.dst_be != t->local_be)
		return MIP_DROP_WRONG_OUTER_DESTINATION;
	drop = check_encap(t, type, d);
	return !drop && type == MIP_ENCAP_GRE ? check_gre(t, d) : drop;
}

/* Not from the first other end (a care-of address, or a home agent): from another one? */
static __attribute__((noinline)) enum mip_drop check_others(const struct mip_table *table,
							    enum mip_encap type, const struct mip_decap *d,
							    struct mip_tunnel *t)
{
	struct mip_tunnel group[MIP_GROUP_MAX];
	uint32_t count = mip_group_find(table, t->home_be, t->side, group);
	uint32_t i = mip_group_place(group, count, d->outer.src_be);

	if (i == count)
		return MIP_DROP_WRONG_OUTER_SOURCE;
	*t = group[i];
	return check_outer(t, type, d);
}

enum mip_drop mip_path_delivery(const struct mip_tunnel *t, enum mip_encap type, const struct mip_decap *d)
{
	if (!(t->flags & MIP_F_DELIVERY))
		return MIP_DROP_NOT_DELIVERY;
	if (!(t->flags & MIP_F_REVERSE))
		return MIP_DROP_NOT_REVERSE;
	return check_encap(t, type, d);
}

bool mip_path_is_probe(const uint8_t *packet, const struct mip_decap *d)
{
	enum { ICMP_HEADER = 8, ECHO_REQUEST = 8 };
	const struct mip_ipv4 *inner = &d->inner;

	return inner->src_be == d->outer.src_be && inner->dst_be == d->outer.dst_be &&
	       inner->protocol == MIP_PROTO_ICMP && !mip_ipv4_is_fragment(inner) &&
	       inner->total - inner->header >= ICMP_HEADER && packet[inner->header] == ECHO_REQUEST;
}

bool mip_path_sends(const struct mip_tunnel *t, const struct mip_quote *q)
{
	if (t->side == MIP_NODE || t->local_be != q->local_be || t->remote_be != q->remote_be)
		return false;
	/* RFC 2004 3: fragments go the other way. */
	if (t->encap != q->encap)
		return t->encap == MIP_ENCAP_MINIMAL && q->encap == MIP_ENCAP_IPIP;
	if (q->keyed != !!(t->flags & MIP_F_GRE_KEY) || (q->has_key && q->key != t->key_out))
		return false;
	if (!q->has_inner || t->flags & MIP_F_NESTED)
		return true;
	return t->home_be == (t->side == MIP_HOME ? q->dst_be : q->src_be) ||
	       t->flags & (MIP_F_BROADCAST | MIP_F_MULTICAST);
}

/* What a mobile node has to do with; drop is the verdict if it is neither. */
static __attribute__((noinline)) enum mip_drop check_node(const struct mip_table *table, enum mip_encap type,
							  const struct mip_decap *d, struct mip_tunnel *t,
							  enum mip_drop drop)
{
	if (d->outer.src_be == d->inner.src_be && find(table, d->inner.src_be, MIP_CARE_OF, t)) {
		return t->flags & MIP_F_SHARED ? MIP_DROP_SHARED_ADDRESS : mip_path_delivery(t, type, d);
	}
	/* RFC 5944 4.4: a multicast it tunnels to its home agent with its home address in both headers. */
	if (type == MIP_ENCAP_IPIP && mip_is_multicast(d->inner.dst_be) &&
	    d->outer.src_be == d->inner.src_be && find(table, d->inner.src_be, MIP_HOME, t) &&
	    t->flags & MIP_F_MULTICAST && d->outer.dst_be == t->local_be)
		return MIP_OK;
	if (drop == MIP_DROP_NO_BINDING && find(table, d->outer.dst_be, MIP_NODE, t))
		return check_outer(t, type, d);
	return drop;
}

enum mip_drop mip_path_inbound(const struct mip_table *table, enum mip_encap type, const struct mip_decap *d,
			       struct mip_near near, struct mip_tunnel *t)
{
	enum mip_drop drop = MIP_DROP_NO_BINDING;

	if (find_near(table, near.care_of, d->inner.dst_be, MIP_CARE_OF, t)) {
		drop = check_outer(t, type, d);
		if (drop && t->beside)
			drop = check_others(table, type, d, t);
		if (!drop)
			return MIP_OK;
	}
	if (find_near(table, near.home, d->inner.src_be, MIP_HOME, t)) {
		drop = check_outer(t, type, d);
		if (drop && t->beside)
			drop = check_others(table, type, d, t);
		if (!drop)
			return t->flags & MIP_F_REVERSE ? MIP_OK : MIP_DROP_NOT_REVERSE;
	}
	return check_node(table, type, d, t, drop);
}

/* Any slot will do where there is none. */
static inline uint32_t prefetch(const struct mip_table *table, uint32_t home_be, enum mip_side side)
{
	return mip_table_has(table, side) ? mip_table_prefetch(table, home_be, side) : 0;
}

struct mip_near mip_path_near_outbound(const struct mip_table *table, const struct mip_ipv4 *inner)
{
	return (struct mip_near){ prefetch(table, inner->dst_be, MIP_HOME),
				  prefetch(table, inner->src_be, MIP_CARE_OF) };
}

struct mip_near mip_path_near_inbound(const struct mip_table *table, const struct mip_ipv4 *inner)
{
	return (struct mip_near){ prefetch(table, inner->src_be, MIP_HOME),
				  prefetch(table, inner->dst_be, MIP_CARE_OF) };
}
