/* The small parts: names, token bucket, event ring, counter indices. */
#include <string.h>

#include "check.h"
#include "mip_bucket.h"
#include "mip_list.h"
#include "mip_ring.h"
#include "mip_stats.h"

static bool is_kebab(const char *label)
{
	return strspn(label, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(label) && label[0] != '-';
}

static void check_names(const struct mip_name *names, int count)
{
	for (int i = 0; i < count; i++) {
		CHECK(is_kebab(names[i].label) && strlen(names[i].meaning) > 5);
		for (int j = 0; j < i; j++)
			CHECK(strcmp(names[i].label, names[j].label) != 0);
	}
}

static void names(void)
{
	check_names(mip_drop_names + 1, MIP_DROP_END - 1);
	check_names(mip_counter_names, MIP_COUNTER_END);
	check_names(mip_event_names, MIP_EVENT_END);
	CHECK(strcmp(mip_drop_names[MIP_DROP_TOO_BIG].label, "too-big") == 0);
}

static void bucket(void)
{
	const uint64_t second = 1000000000;
	struct mip_bucket b;
	int taken = 0;

	mip_bucket_init(&b, 100, 5, 7 * second);
	for (int i = 0; i < 10; i++)
		taken += mip_bucket_take(&b, 7 * second);
	CHECK(taken == 5);
	CHECK(!mip_bucket_take(&b, 7 * second + second / 100 - 1));
	CHECK(mip_bucket_take(&b, 7 * second + second / 100));
	CHECK(!mip_bucket_take(&b, 7 * second)); /* a clock that steps back gives nothing */
	taken = 0;
	for (uint64_t now = 8 * second; now < 18 * second; now += second / 1000)
		taken += mip_bucket_take(&b, now);
	CHECK(taken >= 1000 && taken <= 1005);
	taken = 0;
	for (int i = 0; i < 100; i++)
		taken += mip_bucket_take(&b, 9999 * second);
	CHECK(taken == 5); /* no more is saved, however long it was quiet */
	mip_bucket_init(&b, 0, 0, 0);
	CHECK(!mip_bucket_take(&b, 9999 * second));
}

static void ring(void)
{
	static struct mip_ring r;
	struct mip_event event = { 0 };
	uint64_t next_in = 0, next_out = 0;

	CHECK(!mip_ring_take(&r, &event));
	for (int round = 0; round < 100000; round++) {
		if (check_random() % 2) {
			bool full = next_in - next_out == MIP_RING_SIZE;

			event.value = next_in;
			CHECK(mip_ring_put(&r, &event) == !full);
			next_in += !full;
		} else {
			bool taken = mip_ring_take(&r, &event);

			CHECK(taken == (next_in != next_out));
			if (taken)
				CHECK(event.value == next_out++);
		}
	}
	while (mip_ring_put(&r, &event))
		next_in++;
	CHECK(next_in - next_out == MIP_RING_SIZE);
}

enum { CAPACITY = 1500 };

static void stats(void)
{
	struct mip_stats s = { .capacity = CAPACITY };
	struct mip_status status;
	bool taken[CAPACITY] = { false };
	int64_t index;

	s.owners = calloc(CAPACITY, sizeof(*s.owners));
	s.resting = calloc(CAPACITY, sizeof(*s.resting));
	for (int d = 0; d < MIP_ARRAYS; d++)
		s.traffic[d] = calloc(CAPACITY, sizeof(*s.traffic[d]));
	for (uint32_t i = 0; i < CAPACITY; i++) {
		index = mip_stats_take(&s, i + 1, MIP_HOME);
		CHECK(index >= 0 && index < CAPACITY && !taken[index]);
		taken[index] = true;
		mip_add(&s.traffic[MIP_OUT][index].packets, i + 5);
		mip_stats_read(&s, (uint32_t)index, &status);
		CHECK(status.direction[MIP_OUT].packets == i + 5 && status.direction[MIP_IN].packets == 0);
	}
	CHECK(mip_stats_take(&s, 1, MIP_HOME) == MIP_NO_INDEX);
	/* Given out again it starts from zero; and the longest resting goes first. */
	mip_stats_release(&s, 700);
	mip_stats_release(&s, 3);
	CHECK(mip_stats_take(&s, 9, MIP_HOME) == 700);
	mip_stats_read(&s, 700, &status);
	CHECK(status.direction[MIP_OUT].packets == 0);
	mip_add(&s.traffic[MIP_OUT][700].packets, 2);
	mip_stats_read(&s, 700, &status);
	CHECK(status.direction[MIP_OUT].packets == 2);
	/* Broadcasts went out too. */
	mip_add(&s.traffic[MIP_BROADCAST][700].packets, 4);
	mip_add(&s.traffic[MIP_IN][700].packets, 1);
	mip_stats_read(&s, 700, &status);
	CHECK(status.direction[MIP_OUT].packets == 6 && status.direction[MIP_IN].packets == 1);
	for (int d = 0; d < MIP_ARRAYS; d++)
		free(s.traffic[d]);
	free(s.owners);
	free(s.resting);
}

/* While there are fresh indices, a released one rests behind many others. */
static void indices_rest(void)
{
	struct mip_stats s = { .capacity = 4 * MIP_STATS_REST };
	int64_t first, index;
	int others = 0;

	s.owners = calloc(s.capacity, sizeof(*s.owners));
	s.resting = calloc(s.capacity, sizeof(*s.resting));
	for (int d = 0; d < MIP_ARRAYS; d++)
		s.traffic[d] = calloc(s.capacity, sizeof(*s.traffic[d]));
	first = mip_stats_take(&s, 1, MIP_HOME);
	mip_stats_release(&s, (uint32_t)first);
	while ((index = mip_stats_take(&s, 1, MIP_HOME)) != first) {
		mip_stats_release(&s, (uint32_t)index);
		others++;
	}
	CHECK(others >= MIP_STATS_REST && s.fresh <= MIP_STATS_REST + 1);
	for (int d = 0; d < MIP_ARRAYS; d++)
		free(s.traffic[d]);
	free(s.owners);
	free(s.resting);
}

/* Against an array of truths, by random changes. */
static void list(void)
{
	uint32_t items[CAPACITY], place[CAPACITY] = { 0 }, count = 0;
	struct mip_list l = { items, place, 0 };
	bool there[CAPACITY] = { false };

	for (int round = 0; round < 200000; round++) {
		uint32_t index = check_random() % CAPACITY;
		bool add = check_random() % 2;

		count += (uint32_t)add - there[index];
		there[index] = add;
		if (add)
			mip_list_add(&l, index);
		else
			mip_list_remove(&l, index);
		CHECK(l.count == count && (place[index] != 0) == add);
	}
	for (uint32_t i = 0; i < l.count; i++) {
		CHECK(there[items[i]] && place[items[i]] == i + 1);
		there[items[i]] = false;
	}
	for (uint32_t index = 0; index < CAPACITY; index++)
		CHECK(!there[index]);
}

int main(void)
{
	check_seed();
	names();
	bucket();
	ring();
	stats();
	indices_rest();
	list();
	return 0;
}
