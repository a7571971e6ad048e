#include "mip_group.h"

uint32_t mip_group_place(const struct mip_tunnel *group, uint32_t count, uint32_t remote_be)
{
	uint32_t i = 0;

	while (i < count && group[i].remote_be != remote_be)
		i++;
	return i;
}

uint32_t mip_group_find(const struct mip_table *table, uint32_t home_be, enum mip_side side,
			struct mip_tunnel out[MIP_GROUP_MAX])
{
	for (;;) {
		uint32_t changes = atomic_load_explicit(&table->changes, memory_order_acquire), count = 1;

		if (!mip_table_find(table, home_be, side, &out[0]))
			return 0;
		if (!out[0].beside)
			return 1;
		for (uint32_t rank = 1; rank <= out[0].beside; rank++)
			if (mip_table_find_rank(table, home_be, side, rank, &out[count]) &&
			    mip_group_place(out, count, out[count].remote_be) == count)
				count++;
		if (atomic_load_explicit(&table->changes, memory_order_relaxed) == changes)
			return count;
	}
}

bool mip_group_find_index(const struct mip_table *table, uint32_t home_be, enum mip_side side, uint32_t index,
			  struct mip_tunnel *out)
{
	struct mip_tunnel group[MIP_GROUP_MAX];
	uint32_t count = mip_group_find(table, home_be, side, group);

	for (uint32_t i = 0; i < count; i++) {
		if (group[i].index != index)
			continue;
		*out = group[i];
		return true;
	}
	return false;
}

/* Writes t as the tunnel of this rank; a first one counts so many others. */
static enum mip_put put(struct mip_table *table, const struct mip_tunnel *t, uint32_t rank, uint32_t beside)
{
	struct mip_tunnel ranked = *t;

	enum mip_put done;

	ranked.rank = rank & (MIP_RANKS - 1);
	ranked.beside = (rank == 0 ? beside : 0) & (MIP_RANKS - 1);
	done = mip_table_put(table, &ranked);
	if (rank == 0)
		atomic_store_explicit(&table->changes,
				      atomic_load_explicit(&table->changes, memory_order_relaxed) + 1,
				      memory_order_release);
	return done;
}

enum mip_joined mip_group_replace(struct mip_table *table, const struct mip_tunnel *t)
{
	struct mip_tunnel group[MIP_GROUP_MAX];
	uint32_t count = mip_group_find(table, t->home_be, t->side, group);

	if (put(table, t, 0, 0) == MIP_PUT_FULL)
		return MIP_JOIN_TABLE_FULL;
	for (uint32_t rank = 1; rank < count; rank++)
		mip_table_delete(table, t->home_be, t->side, rank);
	return MIP_JOINED;
}

enum mip_joined mip_group_join(struct mip_table *table, const struct mip_tunnel *t)
{
	struct mip_tunnel group[MIP_GROUP_MAX];
	uint32_t count = mip_group_find(table, t->home_be, t->side, group);
	uint32_t rank = mip_group_place(group, count, t->remote_be);

	if (rank == MIP_GROUP_MAX)
		return MIP_JOIN_TOO_MANY;
	if (put(table, t, rank, count ? count - 1 : 0) == MIP_PUT_FULL)
		return MIP_JOIN_TABLE_FULL;
	if (rank == count && count > 0)
		put(table, &group[0], 0, count);
	return MIP_JOINED;
}

bool mip_group_remove(struct mip_table *table, uint32_t home_be, enum mip_side side, uint32_t remote_be)
{
	struct mip_tunnel group[MIP_GROUP_MAX];
	uint32_t count = mip_group_find(table, home_be, side, group), last = count - 1, rank;

	if (count == 0)
		return false;
	if (!remote_be) {
		/* From the end, so that rank 0 is there as long as any. */
		for (rank = count; rank-- > 0;)
			mip_table_delete(table, home_be, side, rank);
		return true;
	}
	rank = mip_group_place(group, count, remote_be);
	if (rank == count)
		return false;
	if (rank > 0 && rank < last)
		put(table, &group[last], rank, 0);
	if (last > 0)
		put(table, &group[rank == 0 ? last : 0], 0, last - 1);
	return mip_table_delete(table, home_be, side, last);
}
