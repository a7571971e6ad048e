#define _GNU_SOURCE
#include "mip_engine_parts.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "mip_encap.h"
#include "mip_group.h"

enum { ICMP_BURST_SECONDS = 1, LARGE_PAGE = 2 << 20 };

struct random_start {
	uint64_t table_seed;
	uint16_t id;
};

static size_t page_round(size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (len + page - 1) / page * page;
}

/* With a null base, only counts. */
static void *carve(uint8_t *base, size_t *used, size_t len)
{
	void *part = base ? base + *used : NULL;

	*used += page_round(len);
	return part;
}

static size_t lay_out(struct mip_engine *e, uint8_t *base, uint32_t capacity, uint64_t seed)
{
	size_t used = 0;
	void *slots = carve(base, &used, mip_table_bytes(capacity));

	mip_table_init(&e->table, slots, capacity, seed);
	mip_hops_init(&e->hops, carve(base, &used, mip_hops_bytes()), seed);
	e->stats.capacity = capacity;
	e->stats.owners = carve(base, &used, capacity * sizeof(struct mip_owner));
	e->stats.sequences = carve(base, &used, capacity * sizeof(struct mip_sequence));
	e->stats.resting = carve(base, &used, capacity * sizeof(uint32_t));
	e->broadcast.asked.items = carve(base, &used, capacity * sizeof(uint32_t));
	e->broadcast.asked.place = carve(base, &used, capacity * sizeof(uint32_t));
	e->links.shared.items = carve(base, &used, capacity * sizeof(uint32_t));
	e->links.shared.place = carve(base, &used, capacity * sizeof(uint32_t));
	mip_far_init(&e->far, carve(base, &used, mip_far_bytes(capacity)), capacity, seed);
	e->links.places = carve(base, &used, capacity * sizeof(struct mip_place));
	mip_members_init(&e->broadcast.members, carve(base, &used, mip_members_bytes(MIP_MEMBERSHIPS)),
			 MIP_MEMBERSHIPS);
	for (int i = 0; i < MIP_ARRAYS; i++)
		e->stats.traffic[i] = carve(base, &used, capacity * sizeof(struct mip_traffic));
	for (int d = 0; d < MIP_THREADS; d++)
		e->worker[d].rooms = carve(base, &used, (size_t)MIP_ROOMS * MIP_ROOM);
	return used;
}

/*
 * The table comes first, in large pages where the kernel has them: its places are as
 * random as addresses are, and translating each would cost more than reading it.
 */
static int map_memory(struct mip_engine *e, uint32_t capacity, uint64_t seed)
{
	uint8_t *base;

	e->memory_len = lay_out(e, NULL, capacity, seed) + LARGE_PAGE;
	e->memory = mmap(NULL, e->memory_len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (e->memory == MAP_FAILED) {
		e->memory = NULL;
		return -errno;
	}
	base = (uint8_t *)(((uintptr_t)e->memory + LARGE_PAGE - 1) & ~(uintptr_t)(LARGE_PAGE - 1));
	(void)madvise(base, mip_table_bytes(capacity), MADV_HUGEPAGE);
	lay_out(e, base, capacity, seed);
	return 0;
}

static int open_descriptors(struct mip_engine *e, const struct mip_config *config, enum mip_stage *stage)
{
	int error;

	*stage = MIP_STAGE_MEMORY;
	e->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e->stop_fd < 0)
		return -errno;
	e->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e->event_fd < 0)
		return -errno;
	/* Sockets first: a refusal there must not let a device appear and vanish. */
	error = mip_broadcast_open(&e->broadcast, config->broadcast_rate, config->multicast_rate, e->stop_fd);
	if (!error)
		error = mip_links_open(&e->links, e->stop_fd);
	if (error)
		return error;
	for (int i = 0; i < MIP_ENCAPS; i++) {
		e->receivers[i].fd = mip_raw_open_receive(e->receivers[i].type, stage);
		if (e->receivers[i].fd < 0)
			return e->receivers[i].fd;
	}
	error = mip_ways_open(e->ways, config->underlay, config->mark, stage);
	e->has_xdp = !error && config->underlay == MIP_UNDERLAY_XDP;
	if (e->has_xdp)
		error = mip_xdp_open(&e->xdp, stage);
	if (error)
		return error;
	e->link_fd = mip_packet_open_send(stage);
	if (e->link_fd < 0)
		return e->link_fd;
	e->own_fd = mip_raw_open_send(0, stage);
	if (e->own_fd < 0)
		return e->own_fd;
	e->tun_fd = mip_tun_open(config->device, config->mtu, config->persist,
				 &e->worker[MIP_IN].coalescer.udp, stage);
	return e->tun_fd < 0 ? e->tun_fd : 0;
}

static void set_up_workers(struct mip_engine *e, const struct mip_config *config, uint16_t id)
{
	e->broadcast.worker = &e->worker[MIP_BROADCAST];
	e->broadcast.lock = &e->lock;
	e->broadcast.stats = &e->stats;
	e->links.worker = &e->worker[MIP_LINK];
	e->links.lock = &e->lock;
	e->links.stats = &e->stats;
	for (int d = 0; d < MIP_THREADS; d++) {
		struct mip_worker *w = &e->worker[d];

		w->table = &e->table;
		w->captures = &e->captures;
		w->unreached = &e->unreached;
		w->number = (uint8_t)d;
		w->traffic = e->stats.traffic[d];
		w->sent = e->stats.traffic[d == MIP_IN ? (int)MIP_DELIVERY : d];
		w->stopping = &e->stopping;
		w->tun_fd = e->tun_fd;
		w->sequences = e->stats.sequences;
		w->receivers = e->receivers;
		w->places = e->links.places;
		w->send_fd = e->ways[MIP_UNDERLAY_RAW].fd;
		w->link_fd = e->link_fd;
		w->own_fd = e->own_fd;
		w->nodes_fd = e->broadcast.pairs[MIP_NODES][0];
		w->stop_fd = e->stop_fd;
		w->event_fd = e->event_fd;
		w->device_mtu = config->mtu;
		w->coalescer.mtu = config->mtu;
		w->clamp_mss = config->clamp_mss;
		w->tell_largest = config->tell_largest;
		mip_bucket_init(&w->large_told, MIP_LARGE_RATE, MIP_LARGE_RATE, mip_now_ns());
		w->id = (uint16_t)(id + d * 0x5555); /* far apart: threads that send do not share a counter */
		w->xdp = e->has_xdp && d == MIP_IN ? &e->xdp : NULL;
		/* A port has one sender: where the traffic is. */
		mip_send_init(&w->send, e->ways,
			      e->has_xdp && d != MIP_OUT ? MIP_UNDERLAY_PACKET : config->underlay, &e->hops,
			      &e->xdp);
		mip_bucket_init(&w->icmp, config->icmp_rate, config->icmp_rate * ICMP_BURST_SECONDS,
				mip_now_ns());
		w->unreachable = w->icmp; /* apart, so that neither keeps the other from being told */
	}
}

int mip_engine_open(struct mip_engine **out, const struct mip_config *config, enum mip_stage *stage)
{
	static const enum mip_encap types[MIP_ENCAPS] = { MIP_ENCAP_IPIP, MIP_ENCAP_GRE, MIP_ENCAP_MINIMAL };
	struct mip_engine *e = aligned_alloc(64, (sizeof(*e) + 63) / 64 * 64);
	struct random_start start;
	int error;

	*stage = MIP_STAGE_MEMORY;
	if (!e)
		return -ENOMEM;
	memset(e, 0, sizeof(*e));
	e->tun_fd = e->link_fd = e->own_fd = e->stop_fd = e->event_fd = -1;
	e->broadcast.epoll_fd = e->links.epoll_fd = -1;
	memset(e->broadcast.pairs, -1, sizeof(e->broadcast.pairs));
	for (int i = 0; i < MIP_ENCAPS; i++) {
		e->receivers[i].type = types[i];
		e->receivers[i].fd = -1;
		e->receivers[i].used = types[i] == MIP_ENCAP_IPIP;
	}
	mip_xdp_init(&e->xdp);
	pthread_mutex_init(&e->lock, NULL);
	error = getrandom(&start, sizeof(start), 0) == sizeof(start) ? 0 : -EIO;
	if (!error)
		error = map_memory(e, config->capacity, start.table_seed);
	if (!error)
		error = open_descriptors(e, config, stage);
	if (error) {
		mip_engine_close(e);
		return error;
	}
	set_up_workers(e, config, start.id);
	*stage = MIP_STAGE_NONE;
	*out = e;
	return 0;
}

void mip_engine_close(struct mip_engine *e)
{
	const int fds[] = { e->tun_fd, e->link_fd, e->own_fd, e->stop_fd, e->event_fd };

	mip_engine_stop(e);
	for (int i = 0; i < MIP_CAPTURES; i++)
		mip_engine_capture_end(e, i);
	mip_broadcast_close(&e->broadcast);
	mip_links_close(&e->links);
	for (int i = 0; i < MIP_ENCAPS; i++)
		mip_close(e->receivers[i].fd);
	mip_ways_close(e->ways);
	mip_xdp_close(&e->xdp);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		mip_close(fds[i]);
	if (e->memory)
		munmap(e->memory, e->memory_len);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

int mip_engine_start(struct mip_engine *e)
{
	static void *(*const run[MIP_THREADS])(void *) = {
		[MIP_OUT] = mip_worker_out,
		[MIP_IN] = mip_worker_in,
		[MIP_BROADCAST] = mip_worker_broadcast,
		[MIP_LINK] = mip_worker_link,
	};
	static const char *const name[MIP_THREADS] = {
		[MIP_OUT] = "mip-out",
		[MIP_IN] = "mip-in",
		[MIP_BROADCAST] = "mip-broadcast",
		[MIP_LINK] = "mip-link",
	};
	void *const argument[MIP_THREADS] = {
		[MIP_OUT] = &e->worker[MIP_OUT],
		[MIP_IN] = &e->worker[MIP_IN],
		[MIP_BROADCAST] = &e->broadcast,
		[MIP_LINK] = &e->links,
	};
	sigset_t all, before;
	int error = 0;

	/* Signals are the main program's: the threads start with all of them blocked. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (int d = 0; d < MIP_THREADS && !error; d++) {
		struct mip_worker *w = &e->worker[d];

		if (w->running)
			continue;
		error = pthread_create(&w->thread, NULL, run[d], argument[d]);
		if (error)
			break;
		w->running = true;
		pthread_setname_np(w->thread, name[d]);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error)
		mip_engine_stop(e);
	return -error;
}

void mip_engine_stop(struct mip_engine *e)
{
	uint64_t count = 1;

	atomic_store(&e->stopping, true);
	if (e->stop_fd >= 0 && write(e->stop_fd, &count, sizeof(count)) < 0)
		abort(); /* an eventfd of our own that was drained below: cannot happen */
	for (int d = 0; d < MIP_THREADS; d++) {
		if (e->worker[d].running)
			pthread_join(e->worker[d].thread, NULL);
		e->worker[d].running = false;
	}
	if (e->stop_fd >= 0 && read(e->stop_fd, &count, sizeof(count)) < 0)
		abort();
	atomic_store(&e->stopping, false);
}

int mip_engine_event_fd(const struct mip_engine *e)
{
	return e->event_fd;
}

/* Gives back what belonged to a tunnel that is gone. */
static void release(struct mip_engine *e, uint32_t index)
{
	mip_list_remove(&e->broadcast.asked, index);
	mip_links_remove(&e->links, index);
	mip_far_remove(&e->far, index);
	mip_stats_release(&e->stats, index);
}

/* From now on, datagrams of this encapsulation are received. */
static int receive(struct mip_engine *e, enum mip_encap type)
{
	for (int i = 0; i < MIP_ENCAPS; i++) {
		struct mip_receiver *r = &e->receivers[i];
		int error;

		if (r->type != type || atomic_load_explicit(&r->used, memory_order_relaxed))
			continue;
		error = mip_raw_accept(r->fd);
		if (error)
			return error;
		atomic_store_explicit(&r->used, true, memory_order_relaxed);
		if (e->has_xdp)
			mip_xdp_accept(&e->xdp, &e->hops, type);
	}
	return 0;
}

static bool is_same_stream(const struct mip_tunnel *a, const struct mip_tunnel *b)
{
	return a->remote_be == b->remote_be && a->local_be == b->local_be && a->encap == b->encap &&
	       a->key_out == b->key_out && a->key_in == b->key_in && a->flags == b->flags;
}

/* Whether a tunnel may go on with the index of the one it replaces: a place cannot change under its index. */
static bool keeps_index(const struct mip_engine *e, const struct mip_change *c, uint32_t index)
{
	const struct mip_place *before = &e->links.places[index];

	return !(c->tunnel.flags & MIP_F_SHARED) || !e->links.shared.place[index] ||
	       (mip_place_is(before, c->spot.ifindex, c->spot.address) &&
		mip_place_read(before).own_be == c->spot.own_be);
}

/* Only ends that can be told apart by their other end may stand beside each other. */
static bool is_possible(const struct mip_change *c, const struct mip_tunnel *t)
{
	bool shared = t->flags & MIP_F_SHARED;

	return (!c->beside || t->side == MIP_HOME || shared) && (!shared || c->spot.ifindex);
}

static int install(struct mip_engine *e, const struct mip_change *c)
{
	struct mip_tunnel t = c->tunnel, old[MIP_GROUP_MAX];
	enum mip_side side = t.side;
	uint32_t count, same;
	int64_t index;
	int error;

	if (!mip_tunnel_prepare(&t) || !is_possible(c, &t))
		return -EINVAL;
	error = receive(e, (enum mip_encap)t.encap);
	if (!error && side == MIP_NODE && t.flags & MIP_F_MULTICAST)
		error = mip_raw_bind(e->own_fd, t.local_be);
	if (error)
		return error;
	count = mip_group_find(&e->table, t.home_be, side, old);
	same = mip_group_place(old, count, t.remote_be);
	if (same == count && !c->beside)
		same = 0;
	if (c->beside && same == MIP_GROUP_MAX)
		return -EMLINK;
	index = same < count && keeps_index(e, c, old[same].index)
			? old[same].index
			: mip_stats_take(&e->stats, t.home_be, side);
	if (index == MIP_NO_INDEX)
		return -ENOSPC;
	t.index = (uint32_t)index & (MIP_CAPACITY_MAX - 1);
	/* A packet that waits on the link may be looked up before its tunnel is there: then it is dropped. */
	error = t.flags & MIP_F_SHARED ? mip_links_add(&e->links, t.index, &c->spot) : 0;
	if (error) {
		if (same == count || old[same].index != t.index)
			mip_stats_release(&e->stats, t.index);
		return error;
	}
	/* Sequence numbers begin again with another way or another peer.  The peer may have had another way meanwhile. */
	if (same == count || !is_same_stream(&t, &old[same]))
		mip_sequence_reset(&e->stats.sequences[index]);
	else
		mip_sequence_expect_any(&e->stats.sequences[index]);
	/* As many indices as entries: the table cannot be full when one was free. */
	if (c->beside)
		mip_group_join(&e->table, &t);
	else
		mip_group_replace(&e->table, &t);
	for (uint32_t i = 0; i < count; i++)
		if ((!c->beside || i == same) && old[i].index != t.index)
			release(e, old[i].index);
	mip_far_put(&e->far, t.index, t.remote_be);
	if (!(t.flags & MIP_F_SHARED))
		mip_links_remove(&e->links, t.index);
	if (t.flags & MIP_F_BROADCAST)
		mip_list_add(&e->broadcast.asked, t.index);
	else
		mip_list_remove(&e->broadcast.asked, t.index);
	return 0;
}

static bool uninstall(struct mip_engine *e, const struct mip_tunnel *which)
{
	struct mip_tunnel old[MIP_GROUP_MAX];
	enum mip_side side = which->side;
	uint32_t count = mip_group_find(&e->table, which->home_be, side, old);

	if (!mip_group_remove(&e->table, which->home_be, side, which->remote_be))
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (!which->remote_be || old[i].remote_be == which->remote_be)
			release(e, old[i].index);
	return true;
}

int mip_engine_apply(struct mip_engine *e, const struct mip_change *changes, size_t count, size_t *done,
		     size_t *removed)
{
	int error = 0;

	*done = *removed = 0;
	pthread_mutex_lock(&e->lock);
	for (; *done < count; (*done)++) {
		const struct mip_change *c = &changes[*done];

		if (c->remove)
			*removed += uninstall(e, &c->tunnel);
		else
			error = install(e, c);
		if (error)
			break;
	}
	pthread_mutex_unlock(&e->lock);
	return error;
}
