/* mip_worker_out.c - from the TUN device into the tunnels. */
#define _GNU_SOURCE
#include <errno.h>
#include <unistd.h>

#include "mip_offload.h"
#include "mip_path.h"
#include "mip_worker.h"

/*
 * One copy for each care-of address (RFC 5944 4.2.3), the packet itself for the
 * first, last.  What one of them has tunnelled to the node goes to none.
 */
static void out_copies(struct mip_worker *w, struct mip_packet *p, const struct mip_ipv4 *inner,
		       const struct mip_tunnel *first)
{
	struct mip_tunnel group[MIP_GROUP_MAX];
	uint32_t count = mip_group_find(w->table, first->home_be, (enum mip_side)first->side, group), i;

	i = mip_group_place(group, count, inner->src_be);
	if (i < count && mip_encap_is_to_itself(p->data, inner)) {
		mip_worker_drop(w, MIP_DROP_LOOP_CARE_OF, &group[i]);
		return;
	}
	for (i = count; i-- > 0;) {
		enum mip_drop drop = i > 0 ? mip_worker_tunnel_copy(w, p, inner, &group[i], false)
					   : mip_worker_tunnel(w, p, inner, &group[i], false);

		if (drop == MIP_DROP_TOO_BIG)
			mip_worker_too_big(w, p, &group[i]);
		mip_add(&w->counters[MIP_COUNTER_COPIED_PACKETS], i > 0);
	}
}

static void out_packet(struct mip_worker *w, struct mip_packet *p, const struct mip_ipv4 *inner)
{
	struct mip_tunnel t;
	enum mip_drop drop = mip_path_outbound(w->table, inner, &t);

	if (drop) {
		mip_worker_drop(w, drop, drop == MIP_DROP_NO_BINDING ? NULL : &t);
		if (drop == MIP_DROP_NO_BINDING)
			mip_worker_sample(w, MIP_EVENT_UNKNOWN_HOME, inner->dst_be, 0);
	} else if (t.beside) {
		out_copies(w, p, inner, &t);
	} else if (mip_worker_tunnel(w, p, inner, &t, false) == MIP_DROP_TOO_BIG) {
		mip_worker_too_big(w, p, &t);
	}
}

static void out_batch(struct mip_worker *w, struct mip_packet *packets, uint32_t count)
{
	struct mip_ipv4 inner[MIP_BATCH];
	enum mip_drop drop[MIP_BATCH];
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < count; i++) {
		bytes += packets[i].len;
		drop[i] = mip_ipv4_parse(packets[i].data, packets[i].len, MIP_INNER, &inner[i]);
		if (!drop[i])
			mip_path_prefetch_outbound(w->table, &inner[i]);
	}
	mip_add(&w->counters[MIP_COUNTER_DEVICE_READ_PACKETS], count);
	mip_add(&w->counters[MIP_COUNTER_DEVICE_READ_BYTES], bytes);
	for (uint32_t i = 0; i < count; i++) {
		if (drop[i])
			mip_worker_drop(w, drop[i], NULL);
		else
			out_packet(w, &packets[i], &inner[i]);
	}
	mip_worker_flush(w);
}

/* Reads until the batch is full or the device is empty; 0 on success or an errno. */
static int read_batch(struct mip_worker *w, struct mip_packet *packets, uint32_t *count)
{
	*count = 0;
	while (*count < MIP_BATCH) {
		struct mip_packet *p = &packets[*count];
		ssize_t len;

		p->data = mip_room(w, *count);
		p->headroom = MIP_HEADROOM;
		len = read(w->tun_fd, p->data - MIP_OFFLOAD_HEADER, MIP_OFFLOAD_HEADER + MIP_PACKET_MAX);
		if (len < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : errno;
		if (len <= MIP_OFFLOAD_HEADER)
			return EIO;
		p->len = (uint32_t)len - MIP_OFFLOAD_HEADER;
		(*count)++;
	}
	return 0;
}

void *mip_worker_out(void *worker)
{
	struct mip_worker *w = worker;
	struct mip_packet packets[MIP_BATCH];
	uint32_t count;
	int error;

	while (!atomic_load_explicit(w->stopping, memory_order_relaxed)) {
		error = read_batch(w, packets, &count);
		if (count)
			out_batch(w, packets, count);
		if (error) {
			mip_worker_event(w, MIP_EVENT_THREAD_FAILED, 0, (uint64_t)error);
			break;
		}
		if (!count && !mip_worker_wait(w, &w->tun_fd, 1))
			break;
	}
	return NULL;
}
