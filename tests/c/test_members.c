/* Members of groups, against a plain list, by random changes; a reader that lets others change between two members. */
#include <string.h>

#include "check.h"
#include "mip_members.h"

enum { CAPACITY = 32, GROUPS = 6, HOMES = 12, ROUNDS = 200000 };

static struct mip_members members;
static bool list[GROUPS][HOMES];

static uint32_t group(uint32_t i)
{
	return check_address(239, 1, 2, i + 1);
}

static uint32_t home(uint32_t i)
{
	return check_address(192, 0, 2, i + 1);
}

static uint32_t size_of(uint32_t g)
{
	uint32_t size = 0;

	for (uint32_t h = 0; h < HOMES; h++)
		size += list[g][h];
	return size;
}

/* Entries in use: members, and one more for each group that has any. */
static uint32_t used(void)
{
	uint32_t entries = 0;

	for (uint32_t g = 0; g < GROUPS; g++)
		entries += size_of(g) ? size_of(g) + 1 : 0;
	return entries;
}

static void join(uint32_t g, uint32_t h)
{
	bool fits = list[g][h] || used() + (size_of(g) ? 1 : 2) <= CAPACITY;

	CHECK(mip_members_join(&members, group(g), home(h)) == fits);
	list[g][h] |= fits;
}

static void leave(uint32_t g, uint32_t h)
{
	CHECK(mip_members_leave(&members, group(g), home(h)) == list[g][h]);
	list[g][h] = false;
}

static uint32_t number(uint32_t home_be)
{
	uint32_t h = 0;

	while (home(h) != home_be)
		h++;
	CHECK(h < HOMES);
	return h;
}

/* Everybody once, in the order of the ring; the first of them. */
static uint32_t check_group(uint32_t g)
{
	bool seen[HOMES] = { false };
	uint32_t count = 0, first = HOMES, home_be;

	CHECK(mip_members_begin(&members, group(g)) == (size_of(g) > 0));
	while ((home_be = mip_members_next(&members))) {
		uint32_t h = number(home_be);

		CHECK(list[g][h] && !seen[h]);
		seen[h] = true;
		if (count++ == 0)
			first = h;
	}
	CHECK(count == size_of(g) && mip_members_next(&members) == 0);
	return first;
}

/* Who is there from the first to the last gets it once, whatever happens to others meanwhile. */
static void check_reading(uint32_t g)
{
	bool stays[HOMES], seen[HOMES] = { false };
	uint32_t home_be;

	memcpy(stays, list[g], sizeof(stays));
	mip_members_begin(&members, group(g));
	while ((home_be = mip_members_next(&members))) {
		uint32_t h = number(home_be), other = check_random() % HOMES;

		CHECK(!seen[h]);
		seen[h] = true;
		if (check_random() % 2 && list[g][other]) {
			leave(g, other);
			stays[other] = false;
		} else if (check_random() % 4 == 0) {
			leave((g + 1) % GROUPS, other);
		}
	}
	for (uint32_t h = 0; h < HOMES; h++)
		CHECK(!stays[h] || seen[h]);
}

int main(void)
{
	void *memory = calloc(1, mip_members_bytes(CAPACITY));

	check_seed();
	mip_members_init(&members, memory, CAPACITY);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		uint32_t g = check_random() % GROUPS, h = check_random() % HOMES;

		switch (check_random() % 8) {
		case 0:
			check_reading(g);
			break;
		case 1:
			mip_members_turn(&members, group(g), home(h));
			if (list[g][h])
				CHECK(check_group(g) == h);
			break;
		case 2:
		case 3:
			leave(g, h);
			break;
		default:
			join(g, h);
		}
		check_group(g);
	}
	for (uint32_t g = 0; g < GROUPS; g++)
		for (uint32_t h = 0; h < HOMES; h++)
			leave(g, h);
	CHECK(used() == 0);
	free(memory);
	return 0;
}
