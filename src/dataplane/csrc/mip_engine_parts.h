/* mip_engine_parts.h - what an engine is made of, for the files that are it. */
#ifndef MIP_ENGINE_PARTS_H
#define MIP_ENGINE_PARTS_H

#include "mip_broadcast.h"
#include "mip_engine.h"
#include "mip_far.h"
#include "mip_links.h"

struct mip_engine {
	struct mip_worker worker[MIP_THREADS];
	struct mip_broadcast broadcast;
	struct mip_links links;
	struct mip_table table;
	struct mip_stats stats;
	pthread_mutex_t lock; /* one writer of table, stats and what mip_broadcast.h and mip_links.h say */
	_Atomic bool stopping;
	struct mip_receiver receivers[MIP_ENCAPS];
	struct mip_way ways[MIP_UNDERLAY_KINDS];
	struct mip_hops hops;
	struct mip_xdp xdp;   /* used only if the underlay is that */
	struct mip_ring told; /* what no thread tells; under the lock */
	bool has_xdp;
	struct mip_captures captures;
	struct mip_far far;             /* under the lock */
	struct mip_unreached unreached; /* written under the lock */
	int tun_fd, link_fd, own_fd, stop_fd, event_fd;

	/* All the memory, mapped at once; pages come when they are touched. */
	void *memory;
	size_t memory_len;
};

#endif
