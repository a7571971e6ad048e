#include "mip_path.h"

static bool find(const struct mip_table *table, uint32_t home_be, enum mip_side side, struct mip_tunnel *t)
{
	return mip_table_has(table, side) && mip_table_find(table, home_be, side, t);
}

enum mip_drop mip_path_outbound(const struct mip_table *table, const struct mip_ipv4 *inner,
				struct mip_tunnel *t)
{
	if (find(table, inner->dst_be, MIP_HOME, t))
		return MIP_OK;
	if (!find(table, inner->src_be, MIP_CARE_OF, t))
		return MIP_DROP_NO_BINDING;
	return t->flags & MIP_F_REVERSE ? MIP_OK : MIP_DROP_NOT_REVERSE;
}

static enum mip_drop check_outer(const struct mip_tunnel *t, enum mip_encap type,
				 const struct mip_ipv4 *outer)
{
	if (outer->src_be != t->remote_be)
		return MIP_DROP_WRONG_OUTER_SOURCE;
	if (outer->dst_be != t->local_be)
		return MIP_DROP_WRONG_OUTER_DESTINATION;
	return t->encap == type ? MIP_OK : MIP_DROP_WRONG_ENCAPSULATION;
}

enum mip_drop mip_path_inbound(const struct mip_table *table, enum mip_encap type, const struct mip_decap *d,
			       struct mip_tunnel *t)
{
	enum mip_drop drop = MIP_DROP_NO_BINDING;

	if (find(table, d->inner.dst_be, MIP_CARE_OF, t)) {
		drop = check_outer(t, type, &d->outer);
		if (!drop)
			return MIP_OK;
	}
	if (find(table, d->inner.src_be, MIP_HOME, t)) {
		drop = check_outer(t, type, &d->outer);
		if (!drop && !(t->flags & MIP_F_REVERSE))
			drop = MIP_DROP_NOT_REVERSE;
	}
	return drop;
}

void mip_path_prefetch_outbound(const struct mip_table *table, const struct mip_ipv4 *inner)
{
	if (mip_table_has(table, MIP_HOME))
		mip_table_prefetch(table, inner->dst_be, MIP_HOME);
	if (mip_table_has(table, MIP_CARE_OF))
		mip_table_prefetch(table, inner->src_be, MIP_CARE_OF);
}

void mip_path_prefetch_inbound(const struct mip_table *table, const struct mip_ipv4 *inner)
{
	if (mip_table_has(table, MIP_CARE_OF))
		mip_table_prefetch(table, inner->dst_be, MIP_CARE_OF);
	if (mip_table_has(table, MIP_HOME))
		mip_table_prefetch(table, inner->src_be, MIP_HOME);
}
