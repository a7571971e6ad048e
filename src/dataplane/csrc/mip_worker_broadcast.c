#define _GNU_SOURCE
#include "mip_broadcast.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "mip_bytes.h"
#include "mip_encap.h"
#include "mip_group.h"
#include "mip_offload.h"

enum { STOP = MIP_WATCH_MAX, LOOKED_AT = 256 }; /* entries of the list in one holding of the lock */

int mip_broadcast_open(struct mip_broadcast *b, uint32_t rate, int stop_fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = STOP };

	mip_bucket_init(&b->rate, rate, rate, mip_now_ns());
	b->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (b->epoll_fd < 0 || epoll_ctl(b->epoll_fd, EPOLL_CTL_ADD, stop_fd, &event) < 0)
		return -errno;
	return 0;
}

void mip_broadcast_close(struct mip_broadcast *b)
{
	for (uint32_t i = 0; i < b->count; i++)
		close(b->watches[i].fd);
	if (b->epoll_fd >= 0)
		close(b->epoll_fd);
}

static bool is_same(const struct mip_watch *a, const struct mip_watch *b)
{
	return strcmp(a->interface, b->interface) == 0 && a->network_be == b->network_be &&
	       a->mask_be == b->mask_be;
}

/* The directed broadcast address; a network of one or two addresses has none (RFC 3021). */
static uint32_t directed(const struct mip_watch *watch)
{
	return mip_host32(~watch->mask_be) < 3 ? 0 : watch->network_be | ~watch->mask_be;
}

int mip_broadcast_watch(struct mip_broadcast *b, const struct mip_watch *wanted, enum mip_stage *stage)
{
	struct epoll_event event = { .events = EPOLLIN };
	uint32_t at = 0;
	int fd;

	while (at < b->count && !is_same(&b->watches[at], wanted))
		at++;
	*stage = MIP_STAGE_WATCH;
	if (at == MIP_WATCH_MAX)
		return -ENOSPC;
	fd = mip_packet_open_broadcasts(wanted->interface, directed(wanted), stage);
	if (fd < 0)
		return fd;
	event.data.u32 = at;
	if (epoll_ctl(b->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		close(fd);
		return -errno;
	}
	if (at < b->count)
		close(b->watches[at].fd);
	else
		b->count++;
	b->watches[at] = *wanted;
	b->watches[at].fd = fd;
	return 0;
}

/* The tunnel of an entry of the list, if its home address is of the watched network. */
static bool find_asked(const struct mip_broadcast *b, uint32_t index, const struct mip_watch *watch,
		       struct mip_tunnel *t)
{
	const struct mip_owner *owner = &b->stats->owners[index];

	return (owner->home_be & watch->mask_be) == watch->network_be &&
	       mip_group_find_index(b->worker->table, owner->home_be, MIP_HOME, index, t);
}

struct asked {
	struct mip_tunnel tunnel;
	uint32_t turn; /* where in the list it is */
};

/* Goes on in the list from *done, of *total, until a batch is found; how many. */
static uint32_t next_asked(const struct mip_broadcast *b, const struct mip_watch *watch, uint32_t *done,
			   uint32_t *total, struct asked out[MIP_BATCH])
{
	uint32_t found = 0;

	pthread_mutex_lock(b->lock);
	if (*total > b->asked.count)
		*total = b->asked.count;
	for (uint32_t looked = 0; *done < *total && found < MIP_BATCH && looked < LOOKED_AT; looked++) {
		out[found].turn = (b->turn + (*done)++) % *total;
		if (find_asked(b, b->asked.items[out[found].turn], watch, &out[found].tunnel))
			found++;
	}
	pthread_mutex_unlock(b->lock);
	return found;
}

/* Copies for a batch; false when the rate limit ends it, and then that one begins the next time. */
static bool copy_to(struct mip_broadcast *b, const struct mip_packet *p, const struct mip_ipv4 *ip,
		    const struct asked *asked, uint32_t count)
{
	struct mip_worker *w = b->worker;

	for (uint32_t i = 0; i < count; i++) {
		const struct mip_tunnel *t = &asked[i].tunnel;

		if (ip->src_be == t->home_be)
			continue;
		if (!mip_bucket_take(&b->rate, mip_now_ns())) {
			mip_add(&w->counters[MIP_COUNTER_BROADCAST_LIMITED], 1);
			b->turn = asked[i].turn;
			return false;
		}
		mip_add(&w->counters[MIP_COUNTER_BROADCAST_COPIES], 1);
		/* What is too big is only counted: no ICMP error about a broadcast (RFC 1812 4.3.2.7). */
		mip_worker_tunnel_copy(w, p, ip, t, t->flags & MIP_F_NESTED);
	}
	return true;
}

static void forward(struct mip_broadcast *b, struct mip_packet *p, const struct mip_watch *watch)
{
	struct mip_worker *w = b->worker;
	struct asked asked[MIP_BATCH];
	struct mip_ipv4 ip;
	uint32_t done = 0, total = UINT32_MAX;
	bool going = true;
	enum mip_drop drop = mip_ipv4_parse(p->data, p->len, MIP_INNER, &ip);

	mip_add(&w->counters[MIP_COUNTER_BROADCASTS], 1);
	if (!drop)
		drop = mip_encap_forward(p->data, &ip);
	if (drop) {
		mip_worker_drop(w, drop, NULL);
		return;
	}
	mip_offload_finish(p->data, &ip);
	while (going && done < total && !atomic_load_explicit(w->stopping, memory_order_relaxed)) {
		uint32_t found = next_asked(b, watch, &done, &total, asked);

		going = copy_to(b, p, &ip, asked, found);
		mip_worker_flush(w);
	}
}

/* One broadcast of the watch, if there is one; false if there is none. */
static bool receive(struct mip_broadcast *b, uint32_t at, struct mip_packet *p, struct mip_watch *watch)
{
	ssize_t len;

	*p = (struct mip_packet){ .data = mip_room(b->worker, 0), .len = 0, .headroom = MIP_HEADROOM };
	pthread_mutex_lock(b->lock);
	*watch = b->watches[at];
	len = recv(watch->fd, p->data, MIP_PACKET_MAX, MSG_DONTWAIT);
	pthread_mutex_unlock(b->lock);
	p->len = len > 0 ? (uint32_t)len : 0;
	return len > 0;
}

void *mip_worker_broadcast(void *broadcast)
{
	struct mip_broadcast *b = broadcast;
	struct epoll_event events[MIP_WATCH_MAX + 1];
	struct mip_packet p;
	struct mip_watch watch;

	while (!atomic_load_explicit(b->worker->stopping, memory_order_relaxed)) {
		int count = epoll_wait(b->epoll_fd, events, MIP_WATCH_MAX + 1, -1);

		/* One of each in turn: a flood on one link does not silence another. */
		for (int i = 0; i < count; i++)
			if (events[i].data.u32 != STOP && receive(b, events[i].data.u32, &p, &watch))
				forward(b, &p, &watch);
	}
	return NULL;
}
