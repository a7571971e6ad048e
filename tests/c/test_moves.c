/*
 * Every interleaving of a deletion that moves entries with one look-up (mip_table.h, "False miss").
 *
 * mip_table.c is compiled here with loads and stores of its own.  A deletion is made once and its stores are
 * noted; then each look-up runs over the memory of before it, and in front of every load any number of these stores
 * happens.  All choices are tried, in the order of a counter whose digits are the choices of the loads.  This is
 * sequentially consistent memory: what order the processor may give them is for ThreadSanitizer.
 */
#include <string.h>

#include "check.h"
#include "mip_table.h"

#define mip_table_bytes explored_bytes
#define mip_table_init explored_init
#define mip_table_put explored_put
#define mip_table_delete explored_delete
#define mip_table_find explored_find
#define mip_table_find_rank explored_find_rank
#define mip_table_prefetch explored_prefetch
#define mip_table_find_near explored_find_near

static void before_load(const volatile void *place);
static void after_store(const volatile void *place);

#undef atomic_load_explicit
#undef atomic_store_explicit
#define atomic_load_explicit(place, order) (before_load(place), __atomic_load_n(place, order))
#define atomic_store_explicit(place, value, order) (__atomic_store_n(place, value, order), after_store(place))

#include "mip_table.c"

enum {
	CAPACITY = 8,
	SLOTS = 16,
	ENTRIES = 4,
	CROWDED = 2 * MIP_LINE_SLOTS,
	STEPS = 32,
	LOADS = 64,
	ROUNDS = 12
};

/*
 * The keys and the count of moves: what leads a look-up for another entry.  That what it finds there is whole is
 * seen to by tsan_table.c.
 */
struct step {
	_Atomic uint64_t *place;
	uint64_t value;
};

static struct mip_table table;
static _Alignas(64) struct mip_slot memory[SLOTS];
static struct step steps[STEPS];
static uint32_t step_count, done;
static enum { PLAIN, NOTING, EXPLORING } mode;

/* How many steps happen in front of each load, and how many could. */
static struct {
	uint32_t chosen, possible;
} choices[LOADS];
static uint32_t loads, decided;

static bool is_followed(const volatile void *place)
{
	const uintptr_t into = (uintptr_t)place - (uintptr_t)memory;

	return place == &table.moves || (into < sizeof(memory) && into % sizeof(struct mip_slot) == 0);
}

static void before_load(const volatile void *place)
{
	if (mode != EXPLORING || !is_followed(place))
		return;
	CHECK(loads < LOADS);
	if (loads == decided)
		choices[decided++].chosen = 0;
	choices[loads].possible = step_count - done;
	for (uint32_t i = 0; i < choices[loads].chosen; i++, done++)
		__atomic_store_n(steps[done].place, steps[done].value, __ATOMIC_SEQ_CST);
	loads++;
}

static void after_store(const volatile void *place)
{
	if (mode != NOTING || !is_followed(place))
		return;
	CHECK(step_count < STEPS);
	steps[step_count++] =
		(struct step){ (_Atomic uint64_t *)(uintptr_t)place, *(const volatile uint64_t *)place };
}

/* The next of all ways to choose; false after the last. */
static bool choose_next(void)
{
	decided = loads;
	while (decided > 0 && choices[decided - 1].chosen == choices[decided - 1].possible)
		decided--;
	if (!decided)
		return false;
	choices[decided - 1].chosen++;
	return true;
}

/* How many ways there were; in each of them the look-up must say the same, if the answer is sure.  near: as for a batch. */
static uint64_t explore(uint32_t home_be, bool near, bool is_sure, bool expected)
{
	static struct mip_slot before_memory[SLOTS];
	const struct mip_table before = table;
	struct mip_tunnel found;
	uint64_t ways = 0;

	memcpy(before_memory, memory, sizeof(memory));
	loads = decided = 0;
	do {
		bool there;

		memcpy(memory, before_memory, sizeof(memory));
		memcpy(&table, &before, sizeof(table));
		loads = done = 0;
		mode = EXPLORING;
		there = near ? explored_find_near(&table, explored_prefetch(&table, home_be, MIP_HOME),
						  home_be, MIP_HOME, &found)
			     : explored_find(&table, home_be, MIP_HOME, &found);
		mode = PLAIN;
		CHECK(!is_sure || there == expected);
		CHECK(!there || found.home_be == home_be);
		ways++;
	} while (choose_next());
	memcpy(memory, before_memory, sizeof(memory));
	memcpy(&table, &before, sizeof(table));
	return ways;
}

static void fill(uint32_t homes[ENTRIES])
{
	uint32_t candidate = check_random();

	memset(memory, 0, sizeof(memory));
	explored_init(&table, memory, CAPACITY, (uint64_t)check_random() << 32 | check_random());
	for (uint32_t i = 0; i < ENTRIES; i++) {
		struct mip_tunnel t = { .side = MIP_HOME };

		/* One chain of them, and sometimes round the end of the table. */
		do
			t.home_be = ++candidate;
		while ((slot_of(&table, make_key(candidate, MIP_HOME, 0)) + MIP_LINE_SLOTS) % SLOTS >=
		       CROWDED);
		homes[i] = t.home_be;
		CHECK(explored_put(&table, &t) == MIP_PUT_NEW);
	}
}

/* Notes what the deletion stores, and takes it back; how many stores there are, one if nothing moves. */
static uint32_t note_deletion(uint32_t home_be)
{
	static struct mip_slot before_memory[SLOTS];
	const struct mip_table before = table;

	memcpy(before_memory, memory, sizeof(memory));
	step_count = 0;
	mode = NOTING;
	CHECK(explored_delete(&table, home_be, MIP_HOME, 0));
	mode = PLAIN;
	memcpy(memory, before_memory, sizeof(memory));
	memcpy(&table, &before, sizeof(table));
	return step_count;
}

int main(void)
{
	uint64_t ways = 0, stored = 0;

	check_seed();
	CHECK(explored_bytes(CAPACITY) <= sizeof(memory));
	for (int round = 0; round < ROUNDS; round++) {
		uint32_t homes[ENTRIES], gone, stores;

		do {
			fill(homes);
			gone = check_random() % ENTRIES;
			stores = note_deletion(homes[gone]);
		} while (stores == 1);
		stored += stores;
		for (int near = 0; near < 2; near++) {
			for (uint32_t i = 0; i < ENTRIES; i++)
				ways += explore(homes[i], near, i != gone, true);
			ways += explore(homes[0] ^ 1u << 31, near, true, false);
		}
	}
	printf("%llu stores, %llu interleavings\n", (unsigned long long)stored, (unsigned long long)ways);
	return 0;
}
