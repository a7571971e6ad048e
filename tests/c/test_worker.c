/* What a worker tells: how many packets failed the source check, none forgotten when nobody listens. */
#define _GNU_SOURCE
#include <sys/eventfd.h>

#include "check.h"
#include "mip_worker.c"

static struct mip_worker worker;

static void fail_check(uint32_t times)
{
	while (times--)
		mip_worker_wrong_source(&worker, 1, 2);
}

/* As if the last event were long ago. */
static void pass_time(void)
{
	worker.told_ns[MIP_EVENT_WRONG_SOURCE] = 0;
}

static struct mip_event next(void)
{
	struct mip_event event;

	CHECK(mip_ring_take(&worker.ring, &event));
	return event;
}

int main(void)
{
	struct mip_event event;
	uint32_t filled = 0;

	worker.event_fd = eventfd(0, EFD_NONBLOCK);
	CHECK(worker.event_fd >= 0);
	/* The first at once, the rest together when a second has passed. */
	fail_check(5);
	event = next();
	CHECK(event.type == MIP_EVENT_WRONG_SOURCE && event.value == 1);
	CHECK(event.address_be == 1 && event.inner_be == 2 && !mip_ring_take(&worker.ring, &event));
	pass_time();
	fail_check(1);
	CHECK(next().value == 5);
	/* Nobody reads: what could not be told is told later. */
	while (mip_ring_put(&worker.ring, &event))
		filled++;
	CHECK(filled == MIP_RING_SIZE);
	pass_time();
	fail_check(3);
	CHECK(mip_get(&worker.counters[MIP_COUNTER_EVENTS_LOST]) == 1);
	while (filled--)
		next();
	pass_time();
	fail_check(1);
	CHECK(next().value == 4);
	close(worker.event_fd);
	return 0;
}
