/* Next hops: what is set is found, what is withdrawn is not, and a table that is full says so. */
#include <pthread.h>
#include <string.h>

#include "check.h"
#include "mip_hops.h"

enum { PAIRS = 40000, ROUNDS = 300000, READERS = 2 };

static struct mip_hops hops;
static _Atomic bool done;

static void clear(void)
{
	static void *memory;

	free(memory);
	memory = aligned_alloc(64, mip_hops_bytes());
	CHECK(memory);
	memset(memory, 0, mip_hops_bytes());
	mip_hops_init(&hops, memory, (uint64_t)check_random() << 32 | check_random());
}

/* Six equal bytes, and an interface that says which: a mixture of two cannot go unseen. */
static struct mip_hop hop(uint32_t number)
{
	struct mip_hop h = { .ifindex = 1 + number % 200 };

	memset(h.address, (int)h.ifindex, sizeof(h.address));
	return h;
}

static bool set(uint32_t pair, const struct mip_hop *h)
{
	return mip_hops_set(&hops, 1 + pair % 7, 100 + pair, h);
}

static bool find(uint32_t pair, struct mip_hop *h)
{
	return mip_hops_find(&hops, 1 + pair % 7, 100 + pair, h);
}

/* Against an array, as many as fit. */
static void model(void)
{
	static uint32_t told[PAIRS];
	const struct mip_hop nothing = { 0 };
	uint32_t refused = 0;

	for (uint32_t round = 0; round < ROUNDS; round++) {
		uint32_t pair = check_random() % PAIRS, number = check_random();
		struct mip_hop h = hop(number);

		if (check_random() % 3 == 0) {
			CHECK(set(pair, &nothing) || !told[pair]);
			told[pair] = 0;
		} else if (set(pair, &h)) {
			told[pair] = h.ifindex;
		} else {
			CHECK(!told[pair]);
			refused++;
		}
	}
	for (uint32_t pair = 0; pair < PAIRS; pair++) {
		struct mip_hop h, wanted = hop(told[pair] - 1);

		CHECK(find(pair, &h) == (told[pair] != 0));
		if (told[pair])
			CHECK(h.ifindex == wanted.ifindex && memcmp(h.address, wanted.address, 6) == 0);
	}
	CHECK(refused < ROUNDS / 100);
}

static void full(void)
{
	struct mip_hop h = hop(7), found;
	uint32_t kept = 0;

	clear();
	for (uint32_t pair = 0; pair < MIP_HOPS_MAX; pair++)
		kept += set(pair, &h);
	CHECK(kept > MIP_HOPS_MAX - MIP_HOPS_MAX / 100);
	for (uint32_t pair = MIP_HOPS_MAX; pair < 8 * MIP_HOPS_MAX; pair++)
		kept += set(pair, &h);
	CHECK(kept <= 2 * MIP_HOPS_MAX && !find(8 * MIP_HOPS_MAX, &found));
	/* Both addresses count. */
	CHECK(find(1, &found) && !mip_hops_find(&hops, 1, 101, &found));
}

static void *reader(void *argument)
{
	struct mip_hop h;
	uint64_t hits = 0;

	(void)argument;
	while (!atomic_load(&done))
		for (uint32_t pair = 0; pair < 64; pair++) {
			if (!find(pair, &h))
				continue;
			hits++;
			for (int i = 0; i < MIP_HOP_ADDRESS; i++)
				CHECK(h.address[i] == h.ifindex);
		}
	CHECK(hits > 0);
	return NULL;
}

/* Changed under readers: never a mixture. */
static void concurrent(void)
{
	pthread_t thread[READERS];
	const struct mip_hop nothing = { 0 };

	clear();
	for (int i = 0; i < READERS; i++)
		CHECK(pthread_create(&thread[i], NULL, reader, NULL) == 0);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		struct mip_hop h = hop(check_random());

		set(round % 64, round % 11 ? &h : &nothing);
	}
	atomic_store(&done, true);
	for (int i = 0; i < READERS; i++)
		pthread_join(thread[i], NULL);
}

int main(void)
{
	check_seed();
	clear();
	model();
	full();
	concurrent();
	return 0;
}
