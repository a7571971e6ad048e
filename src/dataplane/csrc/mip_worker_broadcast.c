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

/* Beside the watches by their number. */
enum { STOP = MIP_WATCH_MAX, NODES, CONTROL, DESCRIPTORS };

/* Records, of any number that fits the buffer. */
static int open_pair(int pair[2])
{
	int size = MIP_SOCKET_BUFFER;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	for (int i = 0; i < 2; i++)
		if (setsockopt(pair[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
			(void)setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return 0;
}

static int add(struct mip_broadcast *b, int fd, uint32_t number)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = number };

	return epoll_ctl(b->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int mip_broadcast_open(struct mip_broadcast *b, uint32_t rate, uint32_t multicast_rate, int stop_fd)
{
	int error = 0;

	for (int i = 0; i < MIP_PAIRS && !error; i++)
		error = open_pair(b->pairs[i]);
	if (error)
		return error;
	mip_bucket_init(&b->rate, rate, rate, mip_now_ns());
	mip_bucket_init(&b->multicast_rate, multicast_rate, multicast_rate, mip_now_ns());
	b->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (b->epoll_fd < 0)
		return -errno;
	error = add(b, stop_fd, STOP);
	if (!error)
		error = add(b, b->pairs[MIP_NODES][1], NODES);
	return error ? error : add(b, b->pairs[MIP_CONTROL][1], CONTROL);
}

static void close_watch(const struct mip_watch *watch)
{
	mip_close(watch->fd);
	mip_close(watch->send_fd);
}

void mip_broadcast_close(struct mip_broadcast *b)
{
	for (uint32_t i = 0; i < b->count; i++)
		close_watch(&b->watches[i]);
	mip_close(b->epoll_fd);
	for (int i = 0; i < MIP_PAIRS; i++) {
		mip_close(b->pairs[i][0]);
		mip_close(b->pairs[i][1]);
	}
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

/* Opens what a watch needs; 0 or -errno, and then nothing is left open. */
static int open_watch(struct mip_watch *watch, enum mip_stage *stage)
{
	watch->fd = watch->send_fd = -1;
	if (!watch->interface[0])
		return 0;
	watch->fd = mip_packet_open(watch->interface, directed(watch), watch->multicasts, stage);
	if (watch->fd < 0)
		return watch->fd;
	if (!watch->multicasts)
		return 0;
	watch->send_fd = mip_raw_open_link(watch->interface, stage);
	if (watch->send_fd < 0) {
		close(watch->fd);
		return watch->send_fd;
	}
	return 0;
}

int mip_broadcast_watch(struct mip_broadcast *b, const struct mip_watch *wanted, enum mip_stage *stage)
{
	struct mip_watch watch = *wanted;
	uint32_t at = 0;
	int error;

	while (at < b->count && !is_same(&b->watches[at], wanted))
		at++;
	*stage = MIP_STAGE_WATCH;
	if (at == MIP_WATCH_MAX)
		return -ENOSPC;
	error = open_watch(&watch, stage);
	if (error)
		return error;
	if (watch.fd >= 0)
		error = add(b, watch.fd, at);
	if (error) {
		close_watch(&watch);
		return error;
	}
	if (at < b->count)
		close_watch(&b->watches[at]);
	else
		b->count++;
	b->watches[at] = watch;
	return 0;
}

bool mip_broadcast_join(struct mip_broadcast *b, uint32_t group_be, uint32_t home_be)
{
	bool joined;

	pthread_mutex_lock(b->lock);
	joined = mip_members_join(&b->members, group_be, home_be);
	pthread_mutex_unlock(b->lock);
	return joined;
}

bool mip_broadcast_leave(struct mip_broadcast *b, uint32_t group_be, uint32_t home_be)
{
	bool left;

	pthread_mutex_lock(b->lock);
	left = mip_members_leave(&b->members, group_be, home_be);
	pthread_mutex_unlock(b->lock);
	return left;
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
	for (uint32_t looked = 0; *done < *total && found < MIP_BATCH && looked < MIP_WATCH_BATCH; looked++) {
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
		mip_worker_drop(w, drop, NULL, p);
		return;
	}
	mip_offload_finish(p->data, &ip);
	while (going && done < total && !atomic_load_explicit(w->stopping, memory_order_relaxed)) {
		uint32_t found = next_asked(b, watch, &done, &total, asked);

		going = copy_to(b, p, &ip, asked, found);
		mip_worker_flush(w);
	}
}

static bool receive(int fd, struct mip_packet *p)
{
	ssize_t len = recv(fd, p->data, MIP_QUERY_HEADER + MIP_PACKET_MAX, MSG_DONTWAIT);

	p->len = len > 0 ? (uint32_t)len : 0;
	return len > 0;
}

/* One packet of the watch, if there is one. */
static void receive_of_link(struct mip_broadcast *b, uint32_t at, struct mip_packet *p)
{
	struct mip_watch watch;
	bool received;

	pthread_mutex_lock(b->lock);
	watch = b->watches[at];
	received = receive(watch.fd, p);
	pthread_mutex_unlock(b->lock);
	if (received && p->len >= MIP_IPV4_HEADER && mip_is_multicast(mip_load32_be(p->data + 16)))
		mip_multicast_of_link(b, p, &watch);
	else if (received)
		forward(b, p, &watch);
}

static void handle(struct mip_broadcast *b, uint32_t number)
{
	struct mip_packet p = { .data = mip_room(b->worker, 0), .headroom = MIP_HEADROOM };

	if (number == NODES && receive(b->pairs[MIP_NODES][1], &p))
		mip_multicast_of_node(b, &p);
	else if (number == CONTROL && receive(b->pairs[MIP_CONTROL][1], &p))
		mip_multicast_query(b, &p);
	else if (number < MIP_WATCH_MAX)
		receive_of_link(b, number, &p);
}

void *mip_worker_broadcast(void *broadcast)
{
	struct mip_broadcast *b = broadcast;
	struct epoll_event events[DESCRIPTORS];

	while (!atomic_load_explicit(b->worker->stopping, memory_order_relaxed)) {
		int count = epoll_wait(b->epoll_fd, events, DESCRIPTORS, -1);

		/* One of each in turn: a flood on one link does not silence another. */
		mip_worker_begin(b->worker);
		for (int i = 0; i < count; i++)
			handle(b, events[i].data.u32);
		mip_worker_end(b->worker);
	}
	return NULL;
}
