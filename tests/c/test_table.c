/* The table against a plain list, by random insertions, replacements and removals. */
#include <string.h>

#include "check.h"
#include "mip_table.h"

enum { CAPACITY = 500, ADDRESSES = 700, ROUNDS = 200000 };

static struct mip_tunnel list[CAPACITY];
static uint32_t listed;

static struct mip_tunnel *list_find(uint32_t home_be, enum mip_side side)
{
	for (uint32_t i = 0; i < listed; i++)
		if (list[i].home_be == home_be && list[i].side == side)
			return &list[i];
	return NULL;
}

static void check_same(const struct mip_table *t, uint32_t home_be, enum mip_side side)
{
	struct mip_tunnel found, *expected = list_find(home_be, side);
	bool there = mip_table_find(t, home_be, side, &found);

	CHECK(there == (expected != NULL));
	if (expected)
		CHECK(memcmp(&found, expected, sizeof(found)) == 0);
	/* Looked for from where it should be, or from any line. */
	for (int i = 0; i < 2; i++) {
		uint32_t near =
			i ? mip_table_prefetch(t, home_be, side) : check_random() & (uint32_t)t->mask & ~1u;

		memset(&found, 0, sizeof(found));
		CHECK(mip_table_find_near(t, near, home_be, side, &found) == there);
		if (expected)
			CHECK(memcmp(&found, expected, sizeof(found)) == 0);
	}
}

static void put(struct mip_table *t, uint32_t home_be, enum mip_side side)
{
	/* All bits of every field come back. */
	struct mip_tunnel tunnel = {
		.home_be = home_be,
		.index = check_random() % MIP_CAPACITY_MAX,
		.side = side,
		.beside = check_random() % MIP_RANKS,
		.local_be = check_random(),
		.remote_be = check_random(),
		.mtu = (uint16_t)check_random(),
		.flags = (enum mip_flag)(check_random() & 0x3ff),
		.encap = (enum mip_encap)(check_random() & 0x3f),
		.key_out = check_random(),
		.key_in = check_random(),
	};
	struct mip_tunnel *known = list_find(home_be, side);
	enum mip_put done = mip_table_put(t, &tunnel);

	if (known) {
		CHECK(done == MIP_PUT_REPLACED);
		*known = tunnel;
	} else if (listed == CAPACITY) {
		CHECK(done == MIP_PUT_FULL);
	} else {
		CHECK(done == MIP_PUT_NEW);
		list[listed++] = tunnel;
	}
}

static void delete (struct mip_table *t, uint32_t home_be, enum mip_side side)
{
	struct mip_tunnel *known = list_find(home_be, side);

	CHECK(mip_table_delete(t, home_be, side, 0) == (known != NULL));
	if (known)
		*known = list[--listed];
}

static void against_list(uint64_t seed)
{
	struct mip_table t;
	size_t bytes = mip_table_bytes(CAPACITY);
	void *memory = aligned_alloc(64, bytes);

	memset(memory, 0, bytes);
	mip_table_init(&t, memory, CAPACITY, seed);
	listed = 0;
	for (int round = 0; round < ROUNDS; round++) {
		uint32_t home_be = check_address(198, 51, check_random() % ADDRESSES / 256,
						 check_random() % ADDRESSES % 256);
		enum mip_side side = check_random() % 2;
		/* Long spells of growing and of shrinking, to be full and nearly empty at times. */
		bool grow = check_random() % 100 < (round / 20000 % 2 ? 25u : 75u);

		if (grow)
			put(&t, home_be, side);
		else
			delete (&t, home_be, side);
		check_same(&t, home_be, side);
		check_same(&t, check_address(198, 51, check_random() % 3, check_random() % 256), side);
		if (round % 5000 == 0)
			for (uint32_t i = 0; i < listed; i++)
				check_same(&t, list[i].home_be, (enum mip_side)list[i].side);
		CHECK(t.used == listed);
	}
	while (listed)
		delete (&t, list[0].home_be, (enum mip_side)list[0].side);
	CHECK(!mip_table_has(&t, MIP_HOME) && !mip_table_has(&t, MIP_CARE_OF));
	for (uint64_t i = 0; i <= t.mask; i++)
		CHECK(atomic_load(&t.slots[i].word[0]) == 0);
	free(memory);
}

static void smallest(void)
{
	struct mip_table t;
	struct mip_tunnel one = { .home_be = 1 }, two = { .home_be = 2 }, found;
	void *memory = aligned_alloc(64, mip_table_bytes(1));

	memset(memory, 0, mip_table_bytes(1));
	mip_table_init(&t, memory, 1, 0);
	CHECK(mip_table_put(&t, &one) == MIP_PUT_NEW);
	CHECK(mip_table_put(&t, &two) == MIP_PUT_FULL);
	CHECK(mip_table_put(&t, &one) == MIP_PUT_REPLACED);
	CHECK(!mip_table_find(&t, 2, MIP_HOME, &found));
	CHECK(!mip_table_find(&t, 1, MIP_CARE_OF, &found));
	CHECK(mip_table_delete(&t, 1, MIP_HOME, 0));
	CHECK(mip_table_put(&t, &two) == MIP_PUT_NEW);
	CHECK(mip_table_find_near(&t, 0, 2, MIP_HOME, &found));
	CHECK(mip_table_delete(&t, 2, MIP_HOME, 0));
	/* A free slot is nobody's: not that of 0.0.0.0 either, which a packet may hold. */
	for (int side = 0; side < MIP_SIDES; side++) {
		CHECK(!mip_table_find_near(&t, 0, 0, (enum mip_side)side, &found));
		CHECK(!mip_table_find(&t, 0, (enum mip_side)side, &found));
	}
	free(memory);
}

/* Half full at most by construction, whatever the capacity. */
static void sizes(void)
{
	struct mip_table t;
	uint64_t memory[1];

	for (uint32_t capacity = 1; capacity < 5000; capacity += 7) {
		mip_table_init(&t, memory, capacity, 1);
		CHECK(t.mask + 1 >= 2 * (uint64_t)capacity && t.mask + 1 < 4 * (uint64_t)capacity);
		CHECK((t.mask & (t.mask + 1)) == 0 && t.shift + (uint32_t)__builtin_popcountll(t.mask) == 64);
		CHECK(mip_table_bytes(capacity) == 32 * (t.mask + 1));
	}
}

int main(void)
{
	check_seed();
	sizes();
	smallest();
	for (int i = 0; i < 3; i++)
		against_list((uint64_t)check_random() << 32 | check_random());
	return 0;
}
