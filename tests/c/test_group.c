/* Several tunnels of one home address, against a plain list, by random changes. */
#include <string.h>

#include "check.h"
#include "mip_group.h"

enum { CAPACITY = 60, HOMES = 20, REMOTES = 12, ROUNDS = 200000 };

static struct mip_table table;
static struct mip_tunnel list[CAPACITY];
static uint32_t listed;

static bool is_of(const struct mip_tunnel *t, uint32_t home_be, uint32_t remote_be)
{
	return t->home_be == home_be && (!remote_be || t->remote_be == remote_be);
}

static uint32_t count_of(uint32_t home_be, uint32_t remote_be)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < listed; i++)
		count += is_of(&list[i], home_be, remote_be);
	return count;
}

static bool drop_from_list(uint32_t home_be, uint32_t remote_be)
{
	uint32_t before = listed;

	for (uint32_t i = 0; i < listed;)
		if (is_of(&list[i], home_be, remote_be))
			list[i] = list[--listed];
		else
			i++;
	return listed < before;
}

/* Both hold the same, by remote end; and rank 0 is found alone too. */
static void check_same(uint32_t home_be)
{
	struct mip_tunnel group[MIP_GROUP_MAX], first, found;
	uint32_t count = mip_group_find(&table, home_be, MIP_HOME, group);

	CHECK(count == count_of(home_be, 0));
	CHECK(mip_table_find(&table, home_be, MIP_HOME, &first) == (count > 0));
	CHECK(count == 0 || (first.beside == count - 1 && first.remote_be == group[0].remote_be));
	for (uint32_t i = 0; i < listed; i++) {
		uint32_t at;

		if (list[i].home_be != home_be)
			continue;
		at = mip_group_place(group, count, list[i].remote_be);
		CHECK(at < count && group[at].index == list[i].index && group[at].mtu == list[i].mtu);
		CHECK(mip_group_find_index(&table, home_be, MIP_HOME, list[i].index, &found));
		CHECK(found.remote_be == list[i].remote_be);
	}
	CHECK(!mip_group_find_index(&table, home_be, MIP_HOME, UINT32_MAX, &found));
	CHECK(mip_group_find(&table, home_be, MIP_CARE_OF, group) == 0);
}

static void change(uint32_t home_be, uint32_t remote_be, uint32_t index)
{
	const struct mip_tunnel t = {
		.home_be = home_be,
		.remote_be = remote_be,
		.index = index % MIP_CAPACITY_MAX,
		.mtu = (uint16_t)check_random(),
	};
	uint32_t all = count_of(home_be, 0);
	bool known = count_of(home_be, remote_be);
	enum mip_joined done;

	switch (check_random() % 6) {
	case 0:
		done = mip_group_replace(&table, &t);
		CHECK(done == (!all && listed == CAPACITY ? MIP_JOIN_TABLE_FULL : MIP_JOINED));
		if (done == MIP_JOINED)
			drop_from_list(home_be, 0);
		break;
	case 1:
		CHECK(mip_group_remove(&table, home_be, MIP_HOME, 0) == drop_from_list(home_be, 0));
		return;
	case 2:
		CHECK(mip_group_remove(&table, home_be, MIP_HOME, remote_be) ==
		      drop_from_list(home_be, remote_be));
		return;
	default:
		done = mip_group_join(&table, &t);
		if (!known && all == MIP_GROUP_MAX)
			CHECK(done == MIP_JOIN_TOO_MANY);
		else
			CHECK(done == (!known && listed == CAPACITY ? MIP_JOIN_TABLE_FULL : MIP_JOINED));
		if (done == MIP_JOINED)
			drop_from_list(home_be, remote_be);
	}
	if (done == MIP_JOINED)
		list[listed++] = t;
}

int main(void)
{
	void *memory = aligned_alloc(64, mip_table_bytes(CAPACITY));
	uint32_t most = 0;

	check_seed();
	memset(memory, 0, mip_table_bytes(CAPACITY));
	mip_table_init(&table, memory, CAPACITY, check_random());
	for (uint32_t round = 0; round < ROUNDS; round++) {
		uint32_t home_be = 1 + check_random() % HOMES;

		change(home_be, 100 + check_random() % REMOTES, round);
		check_same(home_be);
		check_same(1 + check_random() % HOMES);
		CHECK(table.used == listed);
		most = listed > most ? listed : most;
	}
	CHECK(most == CAPACITY);
	for (uint32_t home_be = 1; home_be <= HOMES; home_be++)
		mip_group_remove(&table, home_be, MIP_HOME, 0);
	CHECK(!mip_table_has(&table, MIP_HOME) && table.used == 0);
	for (uint64_t i = 0; i <= table.mask; i++)
		CHECK(atomic_load(&table.slots[i].word[0]) == 0);
	free(memory);
	return 0;
}
