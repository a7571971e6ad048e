/* mip_engine.h - what the control plane sees: one TUN device, its tunnels, two threads. */
#ifndef MIP_ENGINE_H
#define MIP_ENGINE_H

#include "mip_io.h"
#include "mip_ring.h"
#include "mip_stats.h"

struct mip_engine;

struct mip_config {
	char device[MIP_DEVICE_NAME];
	uint32_t mtu;       /* of the device: the largest packet the kernel gives us */
	uint32_t capacity;  /* tunnels */
	uint32_t mark;      /* SO_MARK of what is sent; 0: none */
	uint32_t icmp_rate; /* fragmentation-needed messages a second */
	bool persist;       /* leave the device behind */
};

struct mip_change {
	struct mip_tunnel tunnel; /* for a removal only home_be and side matter */
	bool remove;
};

/* 0 or -errno, and then *stage says where. */
int mip_engine_open(struct mip_engine **out, const struct mip_config *config, enum mip_stage *stage);
void mip_engine_close(struct mip_engine *e);

/* Both may be repeated, and start again after stop. */
int mip_engine_start(struct mip_engine *e);
void mip_engine_stop(struct mip_engine *e);

/* Readable when there are events; an eventfd, to be watched and never read by others. */
int mip_engine_event_fd(const struct mip_engine *e);

/*
 * In order, until one fails: -EINVAL for an impossible tunnel, -ENOSPC for a
 * full table.  *done counts those that were made, *removed those that took something
 * out.  A tunnel with the same home address and side is replaced in place and keeps its counters.
 */
int mip_engine_apply(struct mip_engine *e, const struct mip_change *changes, size_t count, size_t *done,
		     size_t *removed);

/* The next at most cap tunnels; *cursor is 0 at first.  0 at the end. */
size_t mip_engine_tunnels(struct mip_engine *e, uint32_t *cursor, struct mip_status *out, size_t cap);

void mip_engine_counters(const struct mip_engine *e, uint64_t drops[MIP_DROP_END],
			 uint64_t counters[MIP_COUNTER_END]);

/* Takes at most cap events. */
size_t mip_engine_events(struct mip_engine *e, struct mip_event *out, size_t cap);

#endif
