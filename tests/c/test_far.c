/* Rings of tunnels by their far end, against a plain list; and how many others a look-up meets among a million. */
#include <string.h>

#include "check.h"
#include "mip_far.h"

enum { SMALL = 64, REMOTES = 9, ROUNDS = 100000, MANY = 1 << 20, LONGEST_CHAIN = 16 };

static struct mip_far far;
static void *memory;

static void begin(uint32_t capacity)
{
	memory = calloc(1, mip_far_bytes(capacity));
	mip_far_init(&far, memory, capacity, (uint64_t)check_random() << 32 | check_random());
}

/* How many there are in the ring of remote_be; each is marked in seen. */
static uint32_t walk(uint32_t remote_be, uint8_t *seen)
{
	uint32_t first = mip_far_first(&far, remote_be), count = 0;

	for (uint32_t i = first; i != MIP_FAR_END; i = mip_far_next(&far, first, i)) {
		seen[i]++;
		count++;
	}
	return count;
}

static void against_list(void)
{
	uint32_t remote_of[SMALL] = { 0 };

	begin(SMALL);
	for (int round = 0; round < ROUNDS; round++) {
		uint32_t index = check_random() % SMALL, remote_be = 1 + check_random() % REMOTES;
		uint8_t seen[SMALL] = { 0 };
		uint32_t expected = 0;

		if (check_random() % 3) {
			mip_far_put(&far, index, remote_be);
			remote_of[index] = remote_be;
		} else {
			mip_far_remove(&far, index);
			remote_of[index] = 0;
		}
		remote_be = 1 + check_random() % (REMOTES + 1);
		for (uint32_t i = 0; i < SMALL; i++)
			expected += remote_of[i] == remote_be;
		CHECK(walk(remote_be, seen) == expected);
		for (uint32_t i = 0; i < SMALL; i++)
			CHECK(seen[i] == (remote_of[i] == remote_be));
	}
	free(memory);
}

/* Rings in the chain that leads to the ring of remote_be. */
static uint32_t longest_chain(void)
{
	uint32_t longest = 0;

	for (uint32_t head = 0; head <= far.mask; head++) {
		uint32_t length = 0;

		for (uint32_t i = far.heads[head]; i; i = far.places[i - 1].chain)
			length++;
		longest = length > longest ? length : longest;
	}
	return longest;
}

/* Half of them to one far end, the others each to its own: what is asked of one of these looks at no other. */
static void among_a_million(void)
{
	uint8_t *seen = calloc(1, MANY);

	begin(MANY);
	for (uint32_t i = 0; i < MANY; i++)
		mip_far_put(&far, i, i % 2 ? 1 : check_address(10, i >> 16, i >> 8 & 255, i & 255));
	CHECK(walk(check_address(10, 0, 0, 10), seen) == 1 && seen[10] == 1);
	CHECK(walk(check_address(10, 0, 0, 11), seen) == 0);
	CHECK(walk(1, seen) == MANY / 2);
	CHECK(longest_chain() <= LONGEST_CHAIN);
	for (uint32_t i = 0; i < MANY; i++)
		mip_far_remove(&far, i);
	CHECK(longest_chain() == 0);
	free(seen);
	free(memory);
}

int main(void)
{
	check_seed();
	against_list();
	among_a_million();
	return 0;
}
