/*
 * mip_broadcast.h - broadcasts and multicasts of home links, to the nodes that asked for them (RFC 5944 4.3, 4.4);
 * multicasts of absent nodes, to their home links and to each other.
 *
 * A thread of its own: these are few, and each may have to go to many
 * nodes.  It takes the lock of the table's writer for short moments; a node that is
 * moved in the list between two of them may miss that one broadcast.
 */
#ifndef MIP_BROADCAST_H
#define MIP_BROADCAST_H

#include "mip_list.h"
#include "mip_members.h"
#include "mip_worker.h"

enum {
	MIP_WATCH_MAX = 64,
	MIP_WATCH_BATCH = 256,     /* entries of a list in one holding of the lock */
	MIP_MEMBERSHIPS = 1 << 17, /* memberships and groups together */
	MIP_QUERY_HEADER = 4,      /* the node's home address, in front of a query from the control plane */
};

/* Pairs of sockets to the thread. */
enum {
	MIP_NODES,   /* the inward thread's: multicasts of absent nodes go in */
	MIP_CONTROL, /* the control plane's: IGMP of nodes comes out, queries to nodes go in */
	MIP_PAIRS,
};

struct mip_watch {
	char interface[MIP_DEVICE_NAME];
	uint32_t network_be, mask_be; /* home addresses that belong to this link */
	bool multicasts;
	int fd, send_fd; /* -1: without a link, or without multicasts */
};

struct mip_broadcast {
	struct mip_worker *worker;
	pthread_mutex_t *lock; /* over asked, members, watches and count */
	const struct mip_stats *stats;
	struct mip_list asked; /* tunnels with MIP_F_BROADCAST */
	struct mip_members members;
	struct mip_watch watches[MIP_WATCH_MAX];
	uint32_t count;
	int epoll_fd;
	int pairs[MIP_PAIRS][2]; /* of each, [1] is the thread's; all -1 before mip_broadcast_open() */

	/* The thread's own. */
	struct mip_bucket rate, multicast_rate; /* of copies */
	uint32_t turn; /* where in the list the next broadcast begins: nobody is always last */
};

/* 0 or -errno.  Rates: most copies a second. */
int mip_broadcast_open(struct mip_broadcast *b, uint32_t rate, uint32_t multicast_rate, int stop_fd);
void mip_broadcast_close(struct mip_broadcast *b);

/* Lock held.  Instead of an earlier watch on the same interface and network. */
int mip_broadcast_watch(struct mip_broadcast *b, const struct mip_watch *wanted, enum mip_stage *stage);

/* Takes the lock.  A home address in a multicast group; false if there is no room, or it was in none. */
bool mip_broadcast_join(struct mip_broadcast *b, uint32_t group_be, uint32_t home_be);
bool mip_broadcast_leave(struct mip_broadcast *b, uint32_t group_be, uint32_t home_be);

void *mip_worker_broadcast(void *broadcast);

/* Multicasts: mip_worker_multicast.c.  Each may change p. */
void mip_multicast_of_link(struct mip_broadcast *b, struct mip_packet *p, const struct mip_watch *watch);
void mip_multicast_of_node(struct mip_broadcast *b, struct mip_packet *p);
/* p begins with MIP_QUERY_HEADER. */
void mip_multicast_query(struct mip_broadcast *b, const struct mip_packet *p);

#endif
