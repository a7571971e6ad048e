/* The small parts: names, token bucket, event ring, counter indices. */
#include <string.h>

#include "check.h"
#include "mip_bucket.h"
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
	for (int d = 0; d < MIP_DIRECTIONS; d++)
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
	for (int d = 0; d < MIP_DIRECTIONS; d++)
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
	for (int d = 0; d < MIP_DIRECTIONS; d++)
		s.traffic[d] = calloc(s.capacity, sizeof(*s.traffic[d]));
	first = mip_stats_take(&s, 1, MIP_HOME);
	mip_stats_release(&s, (uint32_t)first);
	while ((index = mip_stats_take(&s, 1, MIP_HOME)) != first) {
		mip_stats_release(&s, (uint32_t)index);
		others++;
	}
	CHECK(others >= MIP_STATS_REST && s.fresh <= MIP_STATS_REST + 1);
	for (int d = 0; d < MIP_DIRECTIONS; d++)
		free(s.traffic[d]);
	free(s.owners);
	free(s.resting);
}

int main(void)
{
	check_seed();
	names();
	bucket();
	ring();
	stats();
	indices_rest();
	return 0;
}
