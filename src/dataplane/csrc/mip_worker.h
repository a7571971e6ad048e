/*
 * mip_worker.h - the two threads: TUN device to wire, wire to TUN device.
 *
 * A worker reads a batch, finds the tunnels of all of it, and sends it; when
 * there is nothing to read it sleeps in poll() with the stop descriptor.  It
 * takes no lock, allocates nothing and never touches Python.
 */
#ifndef MIP_WORKER_H
#define MIP_WORKER_H

#include <pthread.h>

#include "mip_bucket.h"
#include "mip_io.h"
#include "mip_ring.h"
#include "mip_stats.h"
#include "mip_table.h"

/* One packet's room: headroom and the longest packet, in whole cache lines. */
enum { MIP_ROOM = MIP_HEADROOM + 65536 + 64 };

struct mip_worker {
	_Alignas(64) _Atomic uint64_t drops[MIP_DROP_END];
	_Atomic uint64_t counters[MIP_COUNTER_END];
	struct mip_ring ring;

	/* Set before the thread starts, then only read. */
	const struct mip_table *table;
	struct mip_traffic *traffic;
	const _Atomic bool *stopping;
	int tun_fd, raw_fd, stop_fd, event_fd;
	uint32_t device_mtu;
	uint8_t *rooms; /* MIP_BATCH rooms, and for the out worker as many for fragments */

	/* The thread's own. */
	struct mip_send send;
	struct mip_bucket icmp;
	uint64_t told_ns[MIP_EVENT_END];
	uint16_t id;

	pthread_t thread;
	bool running;
};

void *mip_worker_out(void *worker);
void *mip_worker_in(void *worker);

/* Shared by both. */
uint64_t mip_now_ns(void);
void mip_worker_event(struct mip_worker *w, enum mip_event_type type, uint32_t address_be, uint64_t value);
/* The same for events that may come with every packet: one a second of each type. */
void mip_worker_sample(struct mip_worker *w, enum mip_event_type type, uint32_t address_be, uint64_t value);
/* Sleeps until fd is readable; false if it is time to stop. */
bool mip_worker_wait(struct mip_worker *w, int fd);

static inline uint8_t *mip_room(const struct mip_worker *w, uint32_t i)
{
	return w->rooms + (size_t)i * MIP_ROOM + MIP_HEADROOM;
}

/* t is the packet's tunnel, or null if it has none. */
static inline void mip_worker_drop(struct mip_worker *w, enum mip_drop drop, const struct mip_tunnel *t)
{
	mip_add(&w->drops[drop], 1);
	if (t)
		mip_add(&w->traffic[t->index].dropped, 1);
}

#endif
