/*
 * mip_links.h - visitors of different home agents that have the same home address (RFC 3024 A.2 to A.4).
 *
 * The kernel cannot have them: it has one route to an address, and its policy rules
 * do not see link-layer sources.  So it forwards nothing from such an address, and
 * a packet socket on each of their links copies to a thread what they send; the
 * home address and the link-layer source say whose it is.  What a home agent tunnels to
 * one of them is told from the rest by the tunnel's other end (mip_group.h), and the
 * thread that received it puts it on the link.
 */
#ifndef MIP_LINKS_H
#define MIP_LINKS_H

#include "mip_list.h"
#include "mip_worker.h"

enum { MIP_LINK_MAX = 64 };

struct mip_link {
	uint32_t ifindex; /* 0: free */
	int fd;
};

struct mip_links {
	struct mip_worker *worker;
	pthread_mutex_t *lock; /* over all below but epoll_fd */
	const struct mip_stats *stats;
	struct mip_place *places;
	struct mip_list shared; /* tunnels with MIP_F_SHARED */
	struct mip_link link[MIP_LINK_MAX];
	int epoll_fd;
};

/* 0 or -errno. */
int mip_links_open(struct mip_links *l, int stop_fd);
void mip_links_close(struct mip_links *l);

/*
 * Lock held.  From now on packets of the visitor with this index are read on its link.
 * 0, or -errno: no such interface, MIP_LINK_MAX of them, or too many addresses on one.
 */
int mip_links_add(struct mip_links *l, uint32_t index, const struct mip_spot *spot);
/* Lock held.  No longer; nothing happens if they are not. */
void mip_links_remove(struct mip_links *l, uint32_t index);

void *mip_worker_link(void *links);

#endif
