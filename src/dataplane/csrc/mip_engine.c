#define _GNU_SOURCE
#include "mip_engine.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "mip_encap.h"
#include "mip_worker.h"

enum { ICMP_BURST_SECONDS = 1 };

struct mip_engine {
	struct mip_worker worker[MIP_DIRECTIONS];
	struct mip_table table;
	struct mip_stats stats;
	pthread_mutex_t lock; /* one writer of table and stats */
	_Atomic bool stopping;
	int tun_fd, receive_fd, send_fd, stop_fd, event_fd;

	/* All the memory, mapped at once; pages come when they are touched. */
	void *memory;
	size_t memory_len;
};

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
	e->stats.capacity = capacity;
	e->stats.owners = carve(base, &used, capacity * sizeof(struct mip_owner));
	e->stats.resting = carve(base, &used, capacity * sizeof(uint32_t));
	for (int d = 0; d < MIP_DIRECTIONS; d++) {
		e->stats.traffic[d] = carve(base, &used, capacity * sizeof(struct mip_traffic));
		e->worker[d].rooms =
			carve(base, &used, (size_t)(d == MIP_OUT ? 2 : 1) * MIP_BATCH * MIP_ROOM);
	}
	return used;
}

static int map_memory(struct mip_engine *e, uint32_t capacity, uint64_t seed)
{
	e->memory_len = lay_out(e, NULL, capacity, seed);
	e->memory = mmap(NULL, e->memory_len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (e->memory == MAP_FAILED) {
		e->memory = NULL;
		return -errno;
	}
	lay_out(e, e->memory, capacity, seed);
	return 0;
}

static int open_descriptors(struct mip_engine *e, const struct mip_config *config, enum mip_stage *stage)
{
	*stage = MIP_STAGE_MEMORY;
	e->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e->stop_fd < 0)
		return -errno;
	e->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e->event_fd < 0)
		return -errno;
	/* Sockets first: a refusal there must not let a device appear and vanish. */
	e->receive_fd = mip_raw_open_receive(MIP_ENCAP_IPIP, stage);
	if (e->receive_fd < 0)
		return e->receive_fd;
	e->send_fd = mip_raw_open_send(config->mark, stage);
	if (e->send_fd < 0)
		return e->send_fd;
	e->tun_fd = mip_tun_open(config->device, config->mtu, config->persist, stage);
	return e->tun_fd < 0 ? e->tun_fd : 0;
}

static void set_up_workers(struct mip_engine *e, const struct mip_config *config, uint16_t id)
{
	for (int d = 0; d < MIP_DIRECTIONS; d++) {
		struct mip_worker *w = &e->worker[d];

		w->table = &e->table;
		w->traffic = e->stats.traffic[d];
		w->stopping = &e->stopping;
		w->tun_fd = e->tun_fd;
		w->raw_fd = d == MIP_OUT ? e->send_fd : e->receive_fd;
		w->stop_fd = e->stop_fd;
		w->event_fd = e->event_fd;
		w->device_mtu = config->mtu;
		w->id = id;
		mip_send_init(&w->send);
		mip_bucket_init(&w->icmp, config->icmp_rate, config->icmp_rate * ICMP_BURST_SECONDS,
				mip_now_ns());
	}
}

int mip_engine_open(struct mip_engine **out, const struct mip_config *config, enum mip_stage *stage)
{
	struct mip_engine *e = aligned_alloc(64, (sizeof(*e) + 63) / 64 * 64);
	struct random_start start;
	int error;

	*stage = MIP_STAGE_MEMORY;
	if (!e)
		return -ENOMEM;
	memset(e, 0, sizeof(*e));
	e->tun_fd = e->receive_fd = e->send_fd = e->stop_fd = e->event_fd = -1;
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

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void mip_engine_close(struct mip_engine *e)
{
	mip_engine_stop(e);
	close_fd(e->tun_fd);
	close_fd(e->receive_fd);
	close_fd(e->send_fd);
	close_fd(e->stop_fd);
	close_fd(e->event_fd);
	if (e->memory)
		munmap(e->memory, e->memory_len);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

int mip_engine_start(struct mip_engine *e)
{
	static void *(*const run[MIP_DIRECTIONS])(
		void *) = { [MIP_OUT] = mip_worker_out, [MIP_IN] = mip_worker_in };
	static const char *const name[MIP_DIRECTIONS] = { [MIP_OUT] = "mip-out", [MIP_IN] = "mip-in" };
	sigset_t all, before;
	int error = 0;

	/* Signals are the main program's: the threads start with all of them blocked. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (int d = 0; d < MIP_DIRECTIONS && !error; d++) {
		struct mip_worker *w = &e->worker[d];

		if (w->running)
			continue;
		error = pthread_create(&w->thread, NULL, run[d], w);
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
	for (int d = 0; d < MIP_DIRECTIONS; d++) {
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

static int install(struct mip_engine *e, const struct mip_tunnel *wanted)
{
	struct mip_tunnel t = *wanted, old;
	int64_t index;

	if (!mip_tunnel_prepare(&t))
		return -EINVAL;
	if (mip_table_find(&e->table, t.home_be, (enum mip_side)t.side, &old)) {
		t.index = old.index;
		mip_table_put(&e->table, &t);
		return 0;
	}
	index = mip_stats_take(&e->stats, t.home_be, (enum mip_side)t.side);
	if (index == MIP_NO_INDEX)
		return -ENOSPC;
	t.index = (uint32_t)index;
	/* As many indices as entries: the table cannot be full when one was free. */
	mip_table_put(&e->table, &t);
	return 0;
}

static bool uninstall(struct mip_engine *e, const struct mip_tunnel *which)
{
	struct mip_tunnel old;

	if (!mip_table_find(&e->table, which->home_be, (enum mip_side)which->side, &old))
		return false;
	mip_table_delete(&e->table, which->home_be, (enum mip_side)which->side);
	mip_stats_release(&e->stats, old.index);
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
			error = install(e, &c->tunnel);
		if (error)
			break;
	}
	pthread_mutex_unlock(&e->lock);
	return error;
}

size_t mip_engine_tunnels(struct mip_engine *e, uint32_t *cursor, struct mip_status *out, size_t cap)
{
	size_t count = 0;

	pthread_mutex_lock(&e->lock);
	for (; *cursor < e->stats.fresh && count < cap; (*cursor)++) {
		const struct mip_owner *owner = &e->stats.owners[*cursor];

		if (!owner->taken)
			continue;
		if (!mip_table_find(&e->table, owner->home_be, (enum mip_side)owner->side,
				    &out[count].tunnel))
			continue;
		mip_stats_read(&e->stats, *cursor, &out[count++]);
	}
	pthread_mutex_unlock(&e->lock);
	return count;
}

void mip_engine_counters(const struct mip_engine *e, uint64_t drops[MIP_DROP_END],
			 uint64_t counters[MIP_COUNTER_END])
{
	memset(drops, 0, MIP_DROP_END * sizeof(*drops));
	memset(counters, 0, MIP_COUNTER_END * sizeof(*counters));
	for (int d = 0; d < MIP_DIRECTIONS; d++) {
		for (int i = 0; i < MIP_DROP_END; i++)
			drops[i] += mip_get(&e->worker[d].drops[i]);
		for (int i = 0; i < MIP_COUNTER_END; i++)
			counters[i] += mip_get(&e->worker[d].counters[i]);
	}
	counters[MIP_COUNTER_RECEIVE_OVERFLOW] = mip_raw_overflow(e->receive_fd);
}

size_t mip_engine_events(struct mip_engine *e, struct mip_event *out, size_t cap)
{
	uint64_t signals;
	size_t count = 0;

	/* First the signal, then the rings: an event put between the two signals again. */
	if (read(e->event_fd, &signals, sizeof(signals)) < 0 && errno != EAGAIN)
		return 0;
	for (int d = 0; d < MIP_DIRECTIONS; d++)
		while (count < cap && mip_ring_take(&e->worker[d].ring, &out[count]))
			count++;
	return count;
}
