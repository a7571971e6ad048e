/* mip_worker_out.c - from the TUN device into the tunnels. */
#define _GNU_SOURCE
#include <errno.h>
#include <unistd.h>

#include "mip_offload.h"
#include "mip_path.h"
#include "mip_worker.h"

/* Bytes read before they are sent: super-packets would fill the batch with more than a cache holds. */
enum { ENOUGH = 2 * MIP_PACKET_MAX };

/* What was read: the packet, its header, and how many packets it stands for. */
struct taken {
	struct mip_packet packet;
	struct mip_ipv4 inner;
	struct mip_super super;
	struct mip_near near;
	enum mip_drop drop;
};

static void out_tunnel(struct mip_worker *w, struct taken *taken, const struct mip_tunnel *t, bool copy)
{
	struct mip_packet *p = &taken->packet;
	enum mip_drop drop = MIP_OK;

	mip_worker_check_reach(w, p, &taken->inner, &taken->super, t);
	if (taken->super.count > 1)
		mip_worker_tunnel_super(w, p, &taken->inner, &taken->super, t);
	else
		drop = copy ? mip_worker_tunnel_copy(w, p, &taken->inner, t, false)
			    : mip_worker_tunnel(w, p, &taken->inner, t, false);
	if (drop == MIP_DROP_TOO_BIG)
		mip_worker_too_big(w, p, t);
}

/*
 * One copy for each care-of address (RFC 5944 4.2.3), the packet itself for the
 * first, last.  What one of them has tunnelled to the node goes to none.
 */
static void out_copies(struct mip_worker *w, struct taken *taken, const struct mip_tunnel *first)
{
	struct mip_tunnel group[MIP_GROUP_MAX];
	uint32_t count = mip_group_find(w->table, first->home_be, first->side, group), i;

	i = mip_group_place(group, count, taken->inner.src_be);
	if (i < count && mip_encap_is_to_itself(taken->packet.data, &taken->inner)) {
		mip_worker_drop(w, MIP_DROP_LOOP_CARE_OF, &group[i], &taken->packet);
		return;
	}
	for (i = count; i-- > 0;) {
		out_tunnel(w, taken, &group[i], i > 0);
		mip_add(&w->counters[MIP_COUNTER_COPIED_PACKETS], i > 0 ? taken->super.count : 0);
	}
}

/*
 * A mobile node's multicast: inside is a datagram of the home address, and so is what
 * it is tunnelled by.  That goes the way of all its datagrams: through a foreign
 * agent, or into the tunnel from a care-of address (RFC 5944 4.4, RFC 3024 5).
 */
static void out_multicast(struct mip_worker *w, struct taken *taken, const struct mip_tunnel *t)
{
	struct mip_send *s = &w->send;
	const enum mip_underlay_kind preferred = s->preferred;
	const int fd = s->ways[MIP_UNDERLAY_RAW].fd;

	mip_worker_flush(w);
	s->preferred = MIP_UNDERLAY_RAW;
	s->ways[MIP_UNDERLAY_RAW].fd = w->own_fd;
	out_tunnel(w, taken, t, false);
	mip_worker_flush(w);
	s->preferred = preferred;
	s->ways[MIP_UNDERLAY_RAW].fd = fd;
}

static void out_packet(struct mip_worker *w, struct taken *taken)
{
	struct mip_tunnel t;
	enum mip_drop drop = mip_path_outbound(w->table, &taken->inner, taken->near, &t);

	if (drop) {
		bool known = drop != MIP_DROP_NO_BINDING && drop != MIP_DROP_MULTICAST_WAY;

		mip_worker_drop_super(w, drop, known ? &t : NULL, &taken->packet, &taken->inner,
				      &taken->super);
		if (drop == MIP_DROP_NO_BINDING)
			mip_worker_sample(w, MIP_EVENT_UNKNOWN_HOME, taken->inner.dst_be, 0);
	} else if (t.side == MIP_NODE) {
		out_multicast(w, taken, &t);
	} else if (t.beside) {
		out_copies(w, taken, &t);
	} else {
		out_tunnel(w, taken, &t, false);
	}
}

static void out_batch(struct mip_worker *w, struct taken *taken, uint32_t count)
{
	uint64_t packets = 0, bytes = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct taken *k = &taken[i];
		struct mip_packet *p = &k->packet;

		k->super.count = 1;
		k->drop = mip_ipv4_parse(p->data, p->len, MIP_INNER, &k->inner);
		if (!k->drop) {
			k->near = mip_path_near_outbound(w->table, &k->inner);
			k->drop =
				mip_offload_read(p->data - MIP_OFFLOAD_HEADER, p->data, &k->inner, &k->super);
		}
		packets += k->super.count;
		bytes += mip_worker_bytes(p, &k->inner, &k->super);
		mip_add(&w->counters[MIP_COUNTER_SUPER_PACKETS], k->super.count > 1);
	}
	mip_add(&w->counters[MIP_COUNTER_DEVICE_READ_PACKETS], packets);
	mip_add(&w->counters[MIP_COUNTER_DEVICE_READ_BYTES], bytes);
	for (uint32_t i = 0; i < count; i++) {
		if (taken[i].drop)
			mip_worker_drop(w, taken[i].drop, NULL, &taken[i].packet);
		else
			out_packet(w, &taken[i]);
	}
	mip_worker_flush(w);
}

/* Reads until there is enough for a batch or the device is empty; 0 on success or an errno. */
static int read_batch(struct mip_worker *w, struct taken *taken, uint32_t *count)
{
	uint32_t bytes = 0;

	*count = 0;
	while (*count < MIP_BATCH && bytes < ENOUGH) {
		struct mip_packet *p = &taken[*count].packet;
		ssize_t len;

		*p = (struct mip_packet){ .data = mip_room(w, *count), .len = 0, .headroom = MIP_HEADROOM };
		len = read(w->tun_fd, p->data - MIP_OFFLOAD_HEADER, MIP_OFFLOAD_HEADER + MIP_PACKET_MAX);
		if (len < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : errno;
		if (len <= MIP_OFFLOAD_HEADER)
			return EIO;
		p->len = (uint32_t)len - MIP_OFFLOAD_HEADER;
		bytes += p->len;
		(*count)++;
	}
	return 0;
}

void *mip_worker_out(void *worker)
{
	struct mip_worker *w = worker;
	struct taken taken[MIP_BATCH];
	uint32_t count;
	int error;

	while (!atomic_load_explicit(w->stopping, memory_order_relaxed)) {
		error = read_batch(w, taken, &count);
		w->since_wait += count;
		if (count) {
			mip_worker_begin(w);
			out_batch(w, taken, count);
			mip_worker_end(w);
		}
		if (error) {
			mip_worker_event(w, MIP_EVENT_THREAD_FAILED, 0, (uint64_t)error);
			break;
		}
		if (!count && !mip_worker_wait(w, &w->tun_fd, 1))
			break;
	}
	return NULL;
}
