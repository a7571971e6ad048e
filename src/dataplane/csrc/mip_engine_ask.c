/* mip_engine_ask.c - what an engine is asked and told beside its tunnels. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "mip_engine_parts.h"
#include "mip_group.h"

int mip_engine_watch(struct mip_engine *e, const char *interface, uint32_t network_be, uint32_t mask_be,
		     bool multicasts, enum mip_stage *stage)
{
	struct mip_watch watch = { .network_be = network_be, .mask_be = mask_be, .multicasts = multicasts };
	int error;

	strncpy(watch.interface, interface, sizeof(watch.interface) - 1);
	pthread_mutex_lock(&e->lock);
	error = mip_broadcast_watch(&e->broadcast, &watch, stage);
	pthread_mutex_unlock(&e->lock);
	return error;
}

/* Lost, if there is no room: whoever reads so little has been told as much before. */
static void tell(struct mip_engine *e, const struct mip_xdp_loss *loss)
{
	const struct mip_event event = mip_worker_lost_event(loss);
	const uint64_t one = 1;
	ssize_t written;

	if (!loss->error || !mip_ring_put(&e->told, &event))
		return;
	written = write(e->event_fd, &one, sizeof(one));
	(void)written;
}

static void change_ports(struct mip_engine *e, const struct mip_hop_change *c, uint32_t before)
{
	const uint32_t now = c->hop.ifindex;
	struct mip_xdp_loss loss;

	if (now) {
		loss = mip_xdp_join(&e->xdp, now, now == before);
		tell(e, &loss);
	}
	if (before && now != before) {
		loss = mip_xdp_leave(&e->xdp, before);
		tell(e, &loss);
	}
	if (!now != !before)
		mip_xdp_expect(&e->xdp, c->local_be, c->remote_be, now);
}

size_t mip_engine_hops(struct mip_engine *e, const struct mip_hop_change *changes, size_t count)
{
	size_t kept = 0;

	pthread_mutex_lock(&e->lock);
	for (size_t i = 0; i < count; i++) {
		const struct mip_hop_change *c = &changes[i];
		struct mip_hop old = { 0 };

		(void)mip_hops_find(&e->hops, c->local_be, c->remote_be, &old);
		if (!mip_hops_set(&e->hops, c->local_be, c->remote_be, &c->hop))
			continue;
		kept++;
		if (e->has_xdp)
			change_ports(e, c, old.ifindex);
	}
	pthread_mutex_unlock(&e->lock);
	return kept;
}

bool mip_engine_has_port(struct mip_engine *e, uint32_t ifindex)
{
	/* Of the shortest datagram. */
	return e->has_xdp && mip_xdp_carries(&e->xdp, ifindex, 0);
}

int mip_engine_join(struct mip_engine *e, uint32_t group_be, uint32_t home_be)
{
	return mip_broadcast_join(&e->broadcast, group_be, home_be) ? 0 : -ENOSPC;
}

bool mip_engine_leave(struct mip_engine *e, uint32_t group_be, uint32_t home_be)
{
	return mip_broadcast_leave(&e->broadcast, group_be, home_be);
}

int mip_engine_igmp_fd(const struct mip_engine *e)
{
	return e->broadcast.pairs[MIP_CONTROL][0];
}

size_t mip_engine_tunnels(struct mip_engine *e, uint32_t *cursor, struct mip_status *out, size_t cap)
{
	size_t count = 0;

	pthread_mutex_lock(&e->lock);
	for (; *cursor < e->stats.fresh && count < cap; (*cursor)++) {
		const struct mip_owner *owner = &e->stats.owners[*cursor];

		if (!owner->taken)
			continue;
		if (!mip_group_find_index(&e->table, owner->home_be, (enum mip_side)owner->side, *cursor,
					  &out[count].tunnel))
			continue;
		mip_stats_read(&e->stats, *cursor, &out[count++]);
	}
	pthread_mutex_unlock(&e->lock);
	return count;
}

size_t mip_engine_tunnels_of(struct mip_engine *e, uint32_t home_be, enum mip_side side,
			     struct mip_status out[MIP_GROUP_MAX])
{
	struct mip_tunnel group[MIP_GROUP_MAX];
	uint32_t count;

	pthread_mutex_lock(&e->lock);
	count = mip_group_find(&e->table, home_be, side, group);
	for (uint32_t i = 0; i < count; i++) {
		out[i].tunnel = group[i];
		mip_stats_read(&e->stats, group[i].index, &out[i]);
	}
	pthread_mutex_unlock(&e->lock);
	return count;
}

/* The tunnel of this index, which a ring has. */
static bool read_tunnel(const struct mip_engine *e, uint32_t index, struct mip_tunnel *out)
{
	const struct mip_owner *owner = &e->stats.owners[index];

	return mip_group_find_index(&e->table, owner->home_be, (enum mip_side)owner->side, index, out);
}

size_t mip_engine_fit(struct mip_engine *e, uint32_t remote_be, uint32_t path, uint32_t widest)
{
	struct mip_tunnel t;
	uint32_t first, i;
	size_t changed = 0;

	pthread_mutex_lock(&e->lock);
	first = mip_far_first(&e->far, remote_be);
	for (i = first; i != MIP_FAR_END; i = mip_far_next(&e->far, first, i)) {
		uint16_t mtu;

		if (!read_tunnel(e, i, &t) || t.side == MIP_NODE)
			continue;
		mtu = mip_tunnel_width(&t, path, widest);
		if (t.mtu == mtu)
			continue;
		t.mtu = mtu;
		/* In its own place: of how many there are, nothing changes. */
		mip_table_put(&e->table, &t);
		changed++;
	}
	pthread_mutex_unlock(&e->lock);
	return changed;
}

static void widest_sender(const struct mip_tunnel *t, const struct mip_quote *q, struct mip_tunnel *out)
{
	if (mip_path_sends(t, q) && t->mtu > out->mtu)
		*out = *t;
}

bool mip_engine_sender(struct mip_engine *e, const struct mip_quote *q, struct mip_tunnel *out)
{
	struct mip_tunnel named[2 * MIP_GROUP_MAX], t;
	uint32_t count = 0, first, i;

	out->mtu = 0;
	pthread_mutex_lock(&e->lock);
	if (q->has_inner) {
		count = mip_group_find(&e->table, q->dst_be, MIP_HOME, named);
		count += mip_group_find(&e->table, q->src_be, MIP_CARE_OF, named + count);
	}
	for (i = 0; i < count; i++)
		widest_sender(&named[i], q, out);
	first = count ? (uint32_t)MIP_FAR_END : mip_far_first(&e->far, q->remote_be);
	for (i = first; i != MIP_FAR_END; i = mip_far_next(&e->far, first, i))
		if (read_tunnel(e, i, &t))
			widest_sender(&t, q, out);
	pthread_mutex_unlock(&e->lock);
	return out->mtu != 0;
}

void mip_engine_unreached(struct mip_engine *e, uint32_t remote_be, uint8_t code, uint64_t ns)
{
	pthread_mutex_lock(&e->lock);
	mip_unreached_put(&e->unreached, remote_be, code, mip_now_ns() + ns);
	pthread_mutex_unlock(&e->lock);
}

void mip_engine_counters(const struct mip_engine *e, uint64_t drops[MIP_DROP_END],
			 uint64_t counters[MIP_COUNTER_END])
{
	memset(drops, 0, MIP_DROP_END * sizeof(*drops));
	memset(counters, 0, MIP_COUNTER_END * sizeof(*counters));
	for (int d = 0; d < MIP_THREADS; d++) {
		for (int i = 0; i < MIP_DROP_END; i++)
			drops[i] += mip_get(&e->worker[d].drops[i]);
		for (int i = 0; i < MIP_COUNTER_END; i++)
			counters[i] += mip_get(&e->worker[d].counters[i]);
	}
	for (int i = 0; i < MIP_ENCAPS; i++)
		if (atomic_load_explicit(&e->receivers[i].used, memory_order_relaxed))
			counters[MIP_COUNTER_RECEIVE_OVERFLOW] += mip_raw_overflow(e->receivers[i].fd);
	counters[MIP_COUNTER_RECEIVE_OVERFLOW] += mip_xdp_overflow(&e->xdp);
}

void mip_engine_drops(const struct mip_engine *e, struct mip_amount drops[MIP_DIRECTIONS][MIP_DROP_END])
{
	memset(drops, 0, MIP_DIRECTIONS * sizeof(*drops));
	for (int d = 0; d < MIP_THREADS; d++) {
		struct mip_amount *sum = drops[d == MIP_IN ? MIP_IN : MIP_OUT];

		for (int i = 0; i < MIP_DROP_END; i++) {
			sum[i].packets += mip_get(&e->worker[d].drops[i]);
			sum[i].bytes += mip_get(&e->worker[d].drop_bytes[i]);
		}
	}
}

size_t mip_engine_events(struct mip_engine *e, struct mip_event *out, size_t cap)
{
	uint64_t signals;
	size_t count = 0;

	/* First the signal, then the rings: an event put between the two signals again. */
	if (read(e->event_fd, &signals, sizeof(signals)) < 0 && errno != EAGAIN)
		return 0;
	for (int d = 0; d < MIP_THREADS; d++)
		while (count < cap && mip_ring_take(&e->worker[d].ring, &out[count]))
			count++;
	while (count < cap && mip_ring_take(&e->told, &out[count]))
		count++;
	return count;
}
