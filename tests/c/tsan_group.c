/*
 * Several tunnels of one home address under ThreadSanitizer: one writer,
 * several readers, more threads than processors.
 *
 * The writer joins, replaces and removes remote ends of a few home addresses;
 * beside each it keeps a phase, as tsan_table.c does.  A reader that sees all
 * phases of an address the same before and after its look-up must have found
 * those remote ends that were present, those only, and each once; what it found is of
 * one piece.  A remote end whose own phase stayed must be right even if others changed.
 */
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "mip_group.h"

enum { HOMES = 3, REMOTES = 6, CAPACITY = 32, READERS = 5, SECONDS = 5 };
enum { ABSENT, INSERTING, PRESENT, REMOVING, PHASES };

static struct mip_table table;
static _Atomic uint64_t phases[HOMES][REMOTES];
static _Atomic bool done;
static _Atomic uint64_t lookups, sure, several;

static struct mip_tunnel make(uint32_t home, uint32_t remote, uint16_t version)
{
	return (struct mip_tunnel){ .home_be = home + 1,
				    .remote_be = remote + 1,
				    .local_be = version * 7u,
				    .index = (home * REMOTES + remote) % MIP_CAPACITY_MAX,
				    .key_in = ~(uint32_t)version,
				    .mtu = version };
}

static void check_whole(const struct mip_tunnel *t, uint32_t home)
{
	struct mip_tunnel expected = make(home, t->remote_be - 1, t->mtu);

	expected.rank = t->rank;
	expected.beside = t->beside;
	CHECK(t->remote_be >= 1 && t->remote_be <= REMOTES);
	CHECK(memcmp(t, &expected, sizeof(expected)) == 0);
}

static void look(uint32_t home, uint64_t *certain)
{
	struct mip_tunnel group[MIP_GROUP_MAX];
	uint64_t before[REMOTES];
	uint32_t seen[REMOTES] = { 0 }, count;

	for (int r = 0; r < REMOTES; r++)
		before[r] = atomic_load(&phases[home][r]);
	count = mip_group_find(&table, home + 1, MIP_HOME, group);
	for (uint32_t i = 0; i < count; i++) {
		check_whole(&group[i], home);
		seen[group[i].remote_be - 1]++;
	}
	for (int r = 0; r < REMOTES; r++) {
		CHECK(seen[r] <= 1);
		if (atomic_load(&phases[home][r]) != before[r])
			continue;
		if (before[r] % PHASES == PRESENT)
			CHECK(seen[r] == 1);
		if (before[r] % PHASES == ABSENT)
			CHECK(seen[r] == 0);
		(*certain)++;
	}
	atomic_fetch_add_explicit(&several, count > 1, memory_order_relaxed);
}

static void *reader(void *argument)
{
	uint32_t at = (uint32_t)(uintptr_t)argument;
	uint64_t looked = 0, certain = 0;

	for (; !atomic_load_explicit(&done, memory_order_relaxed); looked++)
		look((at = at * 1664525 + 1013904223) / 65536 % HOMES, &certain);
	atomic_fetch_add(&lookups, looked);
	atomic_fetch_add(&sure, certain);
	return NULL;
}

static void next_phase(uint32_t home, uint32_t remote)
{
	atomic_fetch_add(&phases[home][remote], 1);
}

static bool is_present(uint32_t home, uint32_t remote)
{
	return atomic_load(&phases[home][remote]) % PHASES == PRESENT;
}

static void change(uint32_t home, uint32_t remote)
{
	struct mip_tunnel t = make(home, remote, (uint16_t)check_random());
	bool alone = check_random() % 16 == 0, known = is_present(home, remote);

	if (known && !alone && check_random() % 4) {
		next_phase(home, remote);
		CHECK(mip_group_remove(&table, t.home_be, MIP_HOME, t.remote_be));
		next_phase(home, remote);
		return;
	}
	if (!known)
		next_phase(home, remote);
	for (uint32_t r = 0; r < REMOTES && alone; r++)
		if (r != remote && is_present(home, r))
			next_phase(home, r);
	CHECK((alone ? mip_group_replace(&table, &t) : mip_group_join(&table, &t)) == MIP_JOINED);
	for (uint32_t r = 0; r < REMOTES && alone; r++)
		if (atomic_load(&phases[home][r]) % PHASES == REMOVING)
			next_phase(home, r);
	if (!known)
		next_phase(home, remote);
}

int main(void)
{
	pthread_t threads[READERS];
	void *memory = aligned_alloc(64, mip_table_bytes(CAPACITY));
	uint64_t changes = 0;

	check_seed();
	memset(memory, 0, mip_table_bytes(CAPACITY));
	mip_table_init(&table, memory, CAPACITY, check_random());
	for (uintptr_t i = 0; i < READERS; i++)
		CHECK(pthread_create(&threads[i], NULL, reader, (void *)(i + 1)) == 0);
	for (time_t end = time(NULL) + SECONDS; time(NULL) < end; changes += 1000)
		for (int i = 0; i < 1000; i++)
			change(check_random() % HOMES, check_random() % REMOTES);
	atomic_store(&done, true);
	for (int i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	printf("%llu changes, %llu look-ups, %llu of several, %llu sure answers\n",
	       (unsigned long long)changes, (unsigned long long)atomic_load(&lookups),
	       (unsigned long long)atomic_load(&several), (unsigned long long)atomic_load(&sure));
	CHECK(atomic_load(&sure) > 0 && atomic_load(&several) > 0);
	free(memory);
	return 0;
}
