/*
 * mip_broadcast.h - broadcasts of home links, to the nodes that asked for them (RFC 5944 4.3).
 *
 * A thread of its own: broadcasts are few, and each may have to go to many
 * nodes.  It takes the lock of the table's writer for short moments; a node that is
 * moved in the list between two of them may miss that one broadcast.
 */
#ifndef MIP_BROADCAST_H
#define MIP_BROADCAST_H

#include "mip_list.h"
#include "mip_worker.h"

enum { MIP_WATCH_MAX = 64 };

struct mip_watch {
	char interface[MIP_DEVICE_NAME];
	uint32_t network_be, mask_be; /* home addresses that belong to this link */
	int fd;
};

struct mip_broadcast {
	struct mip_worker *worker;
	pthread_mutex_t *lock; /* over all below but epoll_fd, rate and turn */
	const struct mip_stats *stats;
	struct mip_list asked; /* tunnels with MIP_F_BROADCAST */
	struct mip_watch watches[MIP_WATCH_MAX];
	uint32_t count;
	int epoll_fd;

	/* The thread's own. */
	struct mip_bucket rate; /* of copies */
	uint32_t turn;          /* where in the list the next broadcast begins: nobody is always last */
};

/* 0 or -errno.  rate: most copies a second. */
int mip_broadcast_open(struct mip_broadcast *b, uint32_t rate, int stop_fd);
void mip_broadcast_close(struct mip_broadcast *b);

/* Lock held.  Instead of an earlier watch on the same interface and network. */
int mip_broadcast_watch(struct mip_broadcast *b, const struct mip_watch *wanted, enum mip_stage *stage);

void *mip_worker_broadcast(void *broadcast);

#endif
