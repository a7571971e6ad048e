#define _GNU_SOURCE
#include "mip_worker.h"

#include "mip_bytes.h"

#include <arpa/inet.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

/* So many packets since a thread last slept are a stream, which may gather for so long. */
enum { SECOND_NS = 1000000000, STREAM = 8, PAUSE_NS = 50000 };

uint64_t mip_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

/* False if it is lost. */
static bool tell(struct mip_worker *w, const struct mip_event *event)
{
	const uint64_t one = 1;
	ssize_t written;

	if (!mip_ring_put(&w->ring, event)) {
		mip_add(&w->counters[MIP_COUNTER_EVENTS_LOST], 1);
		return false;
	}
	/* Fails only when the count is at its end, and then the descriptor is readable anyway. */
	written = write(w->event_fd, &one, sizeof(one));
	(void)written;
	return true;
}

void mip_worker_event(struct mip_worker *w, enum mip_event_type type, uint32_t address_be, uint64_t value)
{
	const struct mip_event event = { .type = type, .address_be = address_be, .value = value };

	tell(w, &event);
}

void mip_worker_large(struct mip_worker *w, const struct mip_tunnel *t, uint32_t len)
{
	struct mip_large *l = &w->large[mip_host32(t->remote_be) % MIP_LARGE_SLOTS];
	const struct mip_event event = { .type = MIP_EVENT_LARGE_PACKET,
					 .address_be = t->remote_be,
					 .inner_be = t->home_be,
					 .value = len };
	uint64_t now = mip_now_ns();

	if (l->remote_be == t->remote_be && l->len >= len && now - l->told_ns < SECOND_NS)
		return;
	if (!mip_bucket_take(&w->large_told, now))
		return;
	*l = (struct mip_large){ .told_ns = now, .remote_be = t->remote_be, .len = len };
	tell(w, &event);
}

/* Whether the last event of this type is a second old; then the next has to wait as long. */
static bool may_tell(struct mip_worker *w, enum mip_event_type type)
{
	uint64_t now = mip_now_ns();

	if (w->told_ns[type] && now - w->told_ns[type] < SECOND_NS)
		return false;
	w->told_ns[type] = now;
	return true;
}

void mip_worker_sample(struct mip_worker *w, enum mip_event_type type, uint32_t address_be, uint64_t value)
{
	if (may_tell(w, type))
		mip_worker_event(w, type, address_be, value);
}

void mip_worker_wrong_source(struct mip_worker *w, uint32_t outer_be, uint32_t inner_be)
{
	struct mip_event event = { .type = MIP_EVENT_WRONG_SOURCE,
				   .address_be = outer_be,
				   .inner_be = inner_be };

	w->wrong_sources++;
	if (!may_tell(w, MIP_EVENT_WRONG_SOURCE))
		return;
	event.value = w->wrong_sources;
	if (tell(w, &event))
		w->wrong_sources = 0;
}

struct mip_event mip_worker_lost_event(const struct mip_xdp_loss *loss)
{
	return (struct mip_event){ .type = MIP_EVENT_PORT_LOST,
				   .address_be = htonl(loss->ifindex),
				   .inner_be = htonl(loss->stage),
				   .value = (uint64_t)loss->error };
}

void mip_worker_lost(struct mip_worker *w, const struct mip_xdp_loss *loss)
{
	const struct mip_event event = mip_worker_lost_event(loss);

	tell(w, &event);
}

bool mip_worker_wait(struct mip_worker *w, const int *fds, uint32_t count)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	struct pollfd polled[MIP_RECEIVERS + 1] = { { w->stop_fd, POLLIN, 0 } };
	bool stream = w->since_wait >= STREAM;

	for (uint32_t i = 0; i < count; i++)
		polled[i + 1] = (struct pollfd){ fds[i], POLLIN, 0 };
	/* EINTR and errors on one of them: the next read tells */
	(void)ppoll(polled, stream ? 1 : count + 1, stream ? &pause : NULL, NULL);
	w->since_wait = 0;
	return !atomic_load_explicit(w->stopping, memory_order_relaxed);
}
