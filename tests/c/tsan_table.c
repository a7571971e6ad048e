/*
 * One writer, several readers, under ThreadSanitizer.
 *
 * The writer inserts, replaces and removes tunnels at random.  All home
 * addresses are chosen to hash to a few neighbouring slots: one long chain, in
 * which every removal moves many entries.  There are more threads than
 * processors, so that readers are stopped in the middle of a look-up.
 *
 * Beside each tunnel the writer keeps a phase: absent, inserting, present,
 * removing, and round again.  A reader that sees the same phase before and after its
 * look-up must have found the tunnel exactly if it was present; and what it
 * found must be of one piece: all fields are made from the home address and a version.
 */
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "mip_table.h"

enum { ALL = 48, CAPACITY = 128, CROWDED = 4, READERS = 6, SECONDS = 5 };
enum { ABSENT, INSERTING, PRESENT, REMOVING, PHASES };

static struct mip_table table;
static uint32_t homes[ALL];
static _Atomic uint64_t phases[ALL];
static _Atomic bool done;
static _Atomic uint64_t lookups, sure;

static struct mip_tunnel make(uint32_t home_be, uint32_t version)
{
	return (struct mip_tunnel){
		.home_be = home_be,
		.local_be = version,
		.remote_be = home_be ^ version,
		.index = version * 3 % MIP_CAPACITY_MAX,
		.flags = (enum mip_flag)(~version & 0x3ff),
		.key_in = home_be + version,
		.key_out = ~version,
		.mtu = (uint16_t)version,
	};
}

static void check_whole(const struct mip_tunnel *t, uint32_t home_be)
{
	struct mip_tunnel expected = make(home_be, t->local_be);

	CHECK(memcmp(t, &expected, sizeof(expected)) == 0);
}

/* In an empty table an entry stands in its home slot. */
static bool is_crowded(uint32_t home_be)
{
	struct mip_tunnel t = make(home_be, 0);
	bool crowded = false;

	mip_table_put(&table, &t);
	for (int i = 0; i < CROWDED; i++)
		crowded |= atomic_load(&table.slots[i].word[0]) != 0;
	mip_table_delete(&table, home_be, MIP_HOME, 0);
	return crowded;
}

static void choose_homes(void)
{
	uint32_t candidate = 0;

	for (int i = 0; i < ALL; i++) {
		do
			candidate++;
		while (!is_crowded(candidate));
		homes[i] = candidate;
	}
}

static void *reader(void *argument)
{
	uint32_t at = (uint32_t)(uintptr_t)argument;
	uint64_t looked = 0, certain = 0;

	while (!atomic_load_explicit(&done, memory_order_relaxed)) {
		uint32_t which = (at = at * 1664525 + 1013904223) / 65536 % ALL;
		uint64_t before = atomic_load(&phases[which]);
		struct mip_tunnel t;
		bool there = mip_table_find(&table, homes[which], MIP_HOME, &t);
		uint32_t near;
		bool same = atomic_load(&phases[which]) == before;

		if (there)
			check_whole(&t, homes[which]);
		if (same && before % PHASES == PRESENT)
			CHECK(there);
		if (same && before % PHASES == ABSENT)
			CHECK(!there);
		CHECK(!mip_table_find(&table, homes[which], MIP_CARE_OF, &t));
		/* The same in two steps. */
		near = mip_table_prefetch(&table, homes[which], MIP_HOME);
		before = atomic_load(&phases[which]);
		there = mip_table_find_near(&table, near, homes[which], MIP_HOME, &t);
		if (there)
			check_whole(&t, homes[which]);
		if (atomic_load(&phases[which]) == before && before % PHASES % 2 == 0)
			CHECK(there == (before % PHASES == PRESENT));
		looked++;
		certain += same;
	}
	atomic_fetch_add(&lookups, looked);
	atomic_fetch_add(&sure, certain);
	return NULL;
}

static void change(uint32_t which)
{
	struct mip_tunnel t = make(homes[which], check_random());

	if (atomic_load(&phases[which]) % PHASES == ABSENT) {
		atomic_fetch_add(&phases[which], 1);
		CHECK(mip_table_put(&table, &t) == MIP_PUT_NEW);
		atomic_fetch_add(&phases[which], 1);
	} else if (check_random() % 4 == 0) {
		CHECK(mip_table_put(&table, &t) == MIP_PUT_REPLACED);
	} else {
		atomic_fetch_add(&phases[which], 1);
		CHECK(mip_table_delete(&table, homes[which], MIP_HOME, 0));
		atomic_fetch_add(&phases[which], 1);
	}
}

int main(void)
{
	pthread_t threads[READERS];
	size_t bytes = mip_table_bytes(CAPACITY);
	void *memory = aligned_alloc(64, bytes);
	uint64_t changes = 0, moves;

	check_seed();
	memset(memory, 0, bytes);
	mip_table_init(&table, memory, CAPACITY, (uint64_t)check_random() << 32 | check_random());
	choose_homes();
	for (uintptr_t i = 0; i < READERS; i++)
		CHECK(pthread_create(&threads[i], NULL, reader, (void *)(i + 1)) == 0);
	for (time_t end = time(NULL) + SECONDS; time(NULL) < end; changes += 1000)
		for (int i = 0; i < 1000; i++)
			change(check_random() % ALL);
	atomic_store(&done, true);
	for (int i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	moves = atomic_load(&table.moves);
	printf("%llu changes, %llu moves, %llu look-ups, %llu with a sure answer\n",
	       (unsigned long long)changes, (unsigned long long)moves,
	       (unsigned long long)atomic_load(&lookups), (unsigned long long)atomic_load(&sure));
	CHECK(moves > 0 && atomic_load(&sure) > 0);
	free(memory);
	return 0;
}
