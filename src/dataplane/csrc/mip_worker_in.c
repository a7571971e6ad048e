/* mip_worker_in.c - from the tunnels to the TUN device. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "mip_offload.h"
#include "mip_path.h"
#include "mip_worker.h"

/*
 * Datagrams of one queue of AF_XDP that are handed on together: the longest merged packets need fewer, and
 * would else end where a batch does.
 */
enum { TOGETHER = 4 * MIP_BATCH, SELDOM = 8, PROTOCOL = 9 };

/* count packets of together so many bytes, in one write; an errno if the device is gone, else 0. */
static int write_device(struct mip_worker *w, const struct iovec *iov, uint32_t index, uint32_t count,
			uint32_t bytes)
{
	struct mip_traffic *traffic = &w->traffic[index];

	if (writev(w->tun_fd, iov, (int)count) < 0) {
		enum mip_drop drop = errno == EIO ? MIP_DROP_DEVICE_DOWN : MIP_DROP_DEVICE_REFUSED;

		if (errno == EBADFD || errno == ENODEV)
			return errno;
		mip_worker_count_drop(w, drop, traffic, count, bytes);
		return 0;
	}
	mip_add(&w->counters[MIP_COUNTER_DECAPSULATED_PACKETS], count);
	mip_add(&w->counters[MIP_COUNTER_DECAPSULATED_BYTES], bytes);
	mip_add(&w->counters[MIP_COUNTER_COALESCED_PACKETS], count > 1 ? count : 0);
	mip_add(&traffic->packets, count);
	mip_add(&traffic->bytes, bytes);
	return 0;
}

static int deliver_flow(struct mip_worker *w, struct mip_flow *f)
{
	struct iovec iov[MIP_BATCH];
	uint32_t index = f->tunnel, bytes = f->total + (f->count - 1) * f->headers;

	return write_device(w, iov, index, mip_coalesce_finish(f, iov), bytes);
}

/* All of them; after an error none is left behind for another batch. */
static int deliver_flows(struct mip_worker *w, int error)
{
	for (uint32_t i = 0; i < MIP_FLOWS; i++) {
		struct mip_flow *f = &w->coalescer.flows[i];

		if (f->count && !error)
			error = deliver_flow(w, f);
		f->count = 0;
	}
	return error;
}

static int deliver_alone(struct mip_worker *w, const struct mip_packet *p, const struct mip_ipv4 *ip,
			 const struct mip_tunnel *t)
{
	/* The outer header's place is free now. */
	uint8_t *start = p->data - MIP_OFFLOAD_HEADER;
	uint32_t mtu = t->mtu < w->device_mtu ? t->mtu : w->device_mtu;
	struct mip_offload offload = mip_offload_describe(start, p->data, ip, mtu);
	const struct iovec iov = { start, MIP_OFFLOAD_HEADER + p->len };

	mip_add(&w->counters[MIP_COUNTER_CHECKSUM_PENDING], offload.checksum_pending);
	mip_add(&w->counters[MIP_COUNTER_MERGED_RECEIVED], offload.merged);
	return write_device(w, &iov, t->index, 1, p->len);
}

/* Hands one packet to the kernel, now or at the end of the batch; an errno if the device is gone, else 0. */
static int deliver(struct mip_worker *w, const struct mip_packet *p, const struct mip_decap *d,
		   const struct mip_tunnel *t)
{
	struct mip_candidate k = mip_coalesce_examine(&w->coalescer, p->data, &d->inner, t->index);
	struct mip_flow *before;
	int error = 0;

	mip_add(&w->counters[MIP_COUNTER_ECN_UNUSED], d->ecn_unused);
	mip_add(&w->counters[MIP_COUNTER_CHECKSUM_PENDING], k.pending);
	while (!error && (before = mip_coalesce_before(&w->coalescer, &k)))
		error = deliver_flow(w, before);
	if (!error && !mip_coalesce_take(&w->coalescer, &k))
		error = deliver_alone(w, p, &d->inner, t);
	return error;
}

/*
 * A mobile node's own datagram, to the foreign agent, goes on to the home agent
 * with the agent's header in the place of the node's.  Not by way of the TUN device:
 * there it would look like one that a home agent sent to another visitor, and those
 * must not be sent back.
 */
static void deliver_to_home_agent(struct mip_worker *w, struct mip_packet *p, struct mip_decap *d,
				  const struct mip_tunnel *t)
{
	const struct mip_super alone = { .count = 1 };
	enum mip_drop drop = mip_encap_forward(p->data, &d->inner);

	if (!drop)
		mip_worker_check_reach(w, p, &d->inner, &alone, t);
	mip_offload_finish(p->data, &d->inner);
	if (drop)
		mip_worker_drop(w, drop, t, p);
	else if (mip_worker_tunnel(w, p, &d->inner, t, false) == MIP_DROP_TOO_BIG)
		mip_worker_too_big(w, p, t);
	mip_add(&w->counters[MIP_COUNTER_DELIVERED_PACKETS], !drop);
}

/* An echo request to this host itself, which the kernel answers; an errno if the device is gone, else 0. */
static int deliver_probe(struct mip_worker *w, const struct mip_packet *p)
{
	uint8_t *start = p->data - MIP_OFFLOAD_HEADER;

	memset(start, 0, MIP_OFFLOAD_HEADER);
	if (write(w->tun_fd, start, MIP_OFFLOAD_HEADER + p->len) >= 0) {
		mip_add(&w->counters[MIP_COUNTER_PROBES_RECEIVED], 1);
		return 0;
	}
	if (errno == EBADFD || errno == ENODEV)
		return errno;
	mip_worker_drop(w, errno == EIO ? MIP_DROP_DEVICE_DOWN : MIP_DROP_DEVICE_REFUSED, NULL, p);
	return 0;
}

/* A multicast of an absent node is for its home link, and not for this host alone (RFC 5944 4.4). */
static void forward_multicast(struct mip_worker *w, const struct mip_packet *p, const struct mip_tunnel *t)
{
	mip_add(&w->counters[MIP_COUNTER_NODE_MULTICASTS], 1);
	if (send(w->nodes_fd, p->data, p->len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		mip_worker_drop(w, MIP_DROP_MULTICAST_OVERFLOW, t, p);
		return;
	}
	mip_add(&w->traffic[t->index].packets, 1);
	mip_add(&w->traffic[t->index].bytes, p->len);
}

/* A datagram that was dropped, or without a drop one that is accepted; p: what is in it, or null if that is not known. */
static void capture_received(struct mip_worker *w, enum mip_drop drop, const struct mip_tunnel *t,
			     const struct mip_packet *outer, const struct mip_packet *p)
{
	uint32_t wanted = mip_worker_wanted(w, t, outer) | (p ? mip_worker_wanted(w, t, p) : 0);

	mip_worker_capture(w, wanted, MIP_CAPTURE_OUTER, MIP_IN, p ? MIP_OK : drop, outer);
	if (p)
		mip_worker_capture(w, wanted, MIP_CAPTURE_INNER, MIP_IN, drop, p);
}

/* t is the datagram's tunnel, or null if it has none; p: likewise. */
static void drop_received(struct mip_worker *w, enum mip_drop drop, const struct mip_tunnel *t,
			  const struct mip_packet *outer, const struct mip_packet *p)
{
	mip_worker_count_drop(w, drop, t ? &w->traffic[t->index] : NULL, 1, p ? p->len : outer->len);
	if (w->taps)
		capture_received(w, drop, t, outer, p);
}

/* outer: the whole datagram, as far as it was kept. */
static int in_packet(struct mip_worker *w, enum mip_encap type, const struct mip_packet *outer,
		     struct mip_packet *p, struct mip_decap *d, struct mip_near near)
{
	struct mip_tunnel t;
	enum mip_drop drop = mip_path_inbound(w->table, type, d, near, &t);

	if (drop == MIP_DROP_NO_BINDING && mip_path_is_probe(p->data, d))
		return deliver_probe(w, p);
	if (drop == MIP_DROP_NO_BINDING) {
		drop_received(w, drop, NULL, outer, p);
		/* A visitor may have left.  Where there are only home ends, somebody speaks for another. */
		if (mip_table_has(w->table, MIP_CARE_OF) || !mip_table_has(w->table, MIP_HOME))
			mip_worker_sample(w, MIP_EVENT_UNKNOWN_HOME, d->inner.dst_be, 0);
		else
			mip_worker_wrong_source(w, d->outer.src_be, d->inner.src_be);
		return 0;
	}
	if (drop == MIP_DROP_WRONG_OUTER_SOURCE)
		mip_worker_wrong_source(w, d->outer.src_be, d->inner.src_be);
	/* Numbers, as keys, are between the agents: those of the node itself are others. */
	if (!drop && t.flags & MIP_F_GRE_SEQUENCE && d->has_sequence && !mip_path_is_delivery(d, &t) &&
	    !mip_sequence_accept(&w->sequences[t.index], d->sequence))
		drop = MIP_DROP_GRE_SEQUENCE;
	if (drop) {
		drop_received(w, drop, &t, outer, p);
		return 0;
	}
	if (w->taps)
		capture_received(w, MIP_OK, &t, outer, p);
	mip_worker_clamp(w, p, &d->inner, &t);
	if (mip_path_is_delivery(d, &t)) {
		deliver_to_home_agent(w, p, d, &t);
		return 0;
	}
	if (t.flags & MIP_F_SHARED) {
		mip_worker_link_deliver(w, p, d, &t);
		return 0;
	}
	if (t.flags & MIP_F_MULTICAST && t.side == MIP_HOME && mip_is_multicast(d->inner.dst_be)) {
		forward_multicast(w, p, &t);
		return 0;
	}
	return deliver(w, p, d, &t);
}

/*
 * The packets stay in use until deliver_batches().  What they are, by their outer headers' protocol: each socket has one, a port
 * of AF_XDP all.
 */
static int in_batch(struct mip_worker *w, struct mip_packet *packets, const uint8_t *types, uint32_t count)
{
	struct mip_packet outer[MIP_BATCH];
	struct mip_decap decap[MIP_BATCH];
	enum mip_drop drop[MIP_BATCH];
	struct mip_near near[MIP_BATCH];
	uint64_t bytes = 0;
	int error = 0;

	mip_worker_begin(w);
	for (uint32_t i = 0; i < count; i++) {
		bytes += packets[i].len;
		outer[i].len = packets[i].len;
		if (w->taps)
			outer[i] = mip_capture_keep(w->kept[i], &packets[i]);
		drop[i] = mip_decapsulate(&packets[i], (enum mip_encap)types[i], &decap[i]);
		if (!drop[i])
			near[i] = mip_path_near_inbound(w->table, &decap[i].inner);
	}
	mip_add(&w->counters[MIP_COUNTER_RECEIVED_PACKETS], count);
	mip_add(&w->counters[MIP_COUNTER_RECEIVED_BYTES], bytes);
	for (uint32_t i = 0; i < count && !error; i++) {
		if (drop[i])
			drop_received(w, drop[i], NULL, &outer[i], NULL);
		else
			error = in_packet(w, (enum mip_encap)types[i], &outer[i], &packets[i], &decap[i],
					  near[i]);
	}
	return error;
}

static int deliver_batches(struct mip_worker *w, int error)
{
	error = deliver_flows(w, error);
	if (w->send.count)
		mip_worker_flush(w);
	mip_worker_end(w);
	return error;
}

/* One batch of one encapsulation; *more if there may be another.  0, or an errno. */
static int receive(struct mip_worker *w, const struct mip_receiver *r, struct mmsghdr *messages, bool *more)
{
	int count = recvmmsg(r->fd, messages, MIP_BATCH, 0, NULL);
	struct mip_packet packets[MIP_BATCH];
	uint8_t types[MIP_BATCH];

	if (count < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : errno;
	*more |= count > 0;
	w->since_wait += (uint32_t)count;
	for (int i = 0; i < count; i++) {
		packets[i] = (struct mip_packet){ .data = mip_room(w, (uint32_t)i),
						  .len = messages[i].msg_len,
						  .headroom = MIP_HEADROOM };
		types[i] = (uint8_t)r->type;
	}
	return deliver_batches(w, in_batch(w, packets, types, (uint32_t)count));
}

static int receive_queue(struct mip_worker *w, struct mip_xdp_port *port, uint32_t queue, bool *more)
{
	struct mip_packet packets[MIP_BATCH];
	uint8_t types[MIP_BATCH];
	uint32_t count, all = 0;
	int error = 0;

	while (!error && all < TOGETHER && (count = mip_xdp_receive(port, queue, all, packets))) {
		for (uint32_t i = 0; i < count; i++)
			types[i] = packets[i].data[PROTOCOL];
		error = in_batch(w, packets, types, count);
		all += count;
	}
	if (!all)
		return 0;
	*more = true;
	w->since_wait += all;
	error = deliver_batches(w, error);
	mip_xdp_return(port, queue, all);
	return error;
}

/* What each queue of each port of AF_XDP has, or enough of it. */
static int receive_ports(struct mip_worker *w, bool *more)
{
	int error = 0;

	for (uint32_t i = 0; i < MIP_XDP_PORTS; i++) {
		struct mip_xdp_port *port = mip_xdp_take_any(w->xdp, i, MIP_XDP_RECEIVER);

		if (!port)
			continue;
		for (uint32_t queue = 0; queue < port->sockets.queues && !error; queue++)
			error = receive_queue(w, port, queue, more);
		mip_xdp_release(port, MIP_XDP_RECEIVER);
	}
	return error;
}

void *mip_worker_in(void *worker)
{
	struct mip_worker *w = worker;
	struct mmsghdr messages[MIP_BATCH];
	struct iovec iov[MIP_BATCH];
	int fds[MIP_RECEIVERS], error = 0;
	uint32_t turn = 0;

	memset(messages, 0, sizeof(messages));
	for (uint32_t i = 0; i < MIP_BATCH; i++) {
		iov[i] = (struct iovec){ mip_room(w, i), MIP_PACKET_MAX };
		messages[i].msg_hdr.msg_iov = &iov[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	for (int i = 0; i < MIP_ENCAPS; i++)
		fds[i] = w->receivers[i].fd;
	while (!error && !atomic_load_explicit(w->stopping, memory_order_relaxed)) {
		uint32_t count = MIP_ENCAPS;
		bool more = false;

		if (w->xdp)
			error = receive_ports(w, &more);
		/* Beside a stream by AF_XDP, little comes by the others: not each time is a system call's worth. */
		if (more && ++turn % SELDOM)
			continue;
		for (int i = 0; i < MIP_ENCAPS && !error; i++)
			if (atomic_load_explicit(&w->receivers[i].used, memory_order_relaxed))
				error = receive(w, &w->receivers[i], messages, &more);
		if (more || error)
			continue;
		if (w->xdp)
			count += mip_xdp_watch(w->xdp, fds + count);
		if (!mip_worker_wait(w, fds, count))
			break;
	}
	if (error)
		mip_worker_event(w, MIP_EVENT_THREAD_FAILED, 0, (uint64_t)error);
	return NULL;
}
