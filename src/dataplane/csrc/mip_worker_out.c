/* mip_worker_out.c - from the TUN device into the tunnels. */
#define _GNU_SOURCE
#include <errno.h>
#include <unistd.h>

#include "mip_frag.h"
#include "mip_icmp.h"
#include "mip_offload.h"
#include "mip_path.h"
#include "mip_worker.h"

static enum mip_drop drop_of_errno(int error)
{
	switch (error) {
	case EMSGSIZE:
		return MIP_DROP_SEND_TOO_BIG;
	case ENOBUFS:
	case ENOMEM:
		return MIP_DROP_SEND_NO_BUFFERS;
	case ENETUNREACH:
	case EHOSTUNREACH:
	case ENETDOWN:
		return MIP_DROP_SEND_UNREACHABLE;
	case EPERM:
	case EACCES:
		return MIP_DROP_SEND_REFUSED;
	case EAGAIN:
		return MIP_DROP_SEND_BLOCKED;
	}
	return MIP_DROP_SEND_FAILED;
}

/*
 * RFC 6864 4.1: a datagram that may be fragmented needs an Identification of
 * its own; others may carry any.  0 is skipped: the kernel would replace it.
 */
static uint16_t next_id(struct mip_worker *w)
{
	w->id++;
	if (w->id == 0)
		w->id = 1;
	return w->id;
}

static void flush(struct mip_worker *w)
{
	struct mip_send *s = &w->send;
	uint64_t packets = 0, bytes = 0;

	mip_send_flush(s, w->raw_fd, w->stop_fd);
	for (uint32_t i = 0; i < s->count; i++) {
		struct mip_traffic *traffic = &w->traffic[s->index[i]];
		uint64_t inner = s->iov[i].iov_len - MIP_IPV4_HEADER;

		if (s->error[i]) {
			enum mip_drop drop = drop_of_errno(s->error[i]);

			mip_add(&w->drops[drop], 1);
			mip_add(&traffic->dropped, 1);
			if (drop == MIP_DROP_SEND_TOO_BIG)
				mip_worker_sample(w, MIP_EVENT_TUNNEL_TOO_BIG, s->to[i].sin_addr.s_addr,
						  s->iov[i].iov_len);
			continue;
		}
		mip_add(&traffic->packets, 1);
		mip_add(&traffic->bytes, inner);
		packets++;
		bytes += inner;
	}
	mip_add(&w->counters[MIP_COUNTER_ENCAPSULATED_PACKETS], packets);
	mip_add(&w->counters[MIP_COUNTER_ENCAPSULATED_BYTES], bytes);
	s->count = 0;
}

static void queue(struct mip_worker *w, const struct mip_packet *p, const struct mip_tunnel *t)
{
	mip_send_add(&w->send, p, t->remote_be, t->index);
	if (w->send.count == MIP_BATCH)
		flush(w);
}

/*
 * Tells the sender (RFC 2003 5.1: the tunnel's MTU without the outer header).
 * RFC 2003 5 would still send the packet on; with DF in the outer header too, it
 * could only be dropped on the way, so it is dropped here.
 * By the raw socket, not the TUN device: there the kernel would take a packet
 * from one of its own addresses for a forged one.
 */
static void send_too_big(struct mip_worker *w, const struct mip_packet *p, const struct mip_tunnel *t)
{
	uint8_t message[MIP_ICMP_MAX];
	struct mip_ipv4 ip;
	struct sockaddr_in to = { .sin_family = AF_INET };
	size_t len = mip_icmp_frag_needed(message, sizeof(message), p->data, p->len, t->local_be, t->mtu,
					  next_id(w));

	if (len == 0 || mip_ipv4_parse(message, len, MIP_OUTER, &ip)) {
		mip_add(&w->counters[MIP_COUNTER_ICMP_FORBIDDEN], 1);
		return;
	}
	if (!mip_bucket_take(&w->icmp, mip_now_ns())) {
		mip_add(&w->counters[MIP_COUNTER_ICMP_LIMITED], 1);
		return;
	}
	to.sin_addr.s_addr = ip.dst_be;
	if (sendto(w->raw_fd, message, len, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		mip_add(&w->counters[MIP_COUNTER_ICMP_FAILED], 1);
	else
		mip_add(&w->counters[MIP_COUNTER_ICMP_SENT], 1);
}

/* A fragment's room is the one of its place in the send queue, so none is used twice before a flush. */
static void send_fragments(struct mip_worker *w, const struct mip_packet *whole, const struct mip_tunnel *t)
{
	struct mip_frag frag;
	enum mip_drop drop;
	uint64_t made = 0;

	if (!mip_frag_begin(&frag, whole->data, whole->len, t->mtu)) {
		mip_worker_drop(w, MIP_DROP_NEEDS_FRAGMENTATION, t);
		return;
	}
	for (;;) {
		struct mip_packet p = { mip_room(w, MIP_BATCH + w->send.count), 0, MIP_HEADROOM };
		struct mip_ipv4 ip;

		p.len = (uint32_t)mip_frag_next(&frag, p.data, MIP_PACKET_MAX);
		if (p.len == 0)
			break;
		made++;
		drop = mip_ipv4_parse(p.data, p.len, MIP_INNER, &ip);
		if (!drop)
			drop = mip_encapsulate(&p, &ip, t, next_id(w));
		if (drop)
			mip_worker_drop(w, drop, t);
		else
			queue(w, &p, t);
	}
	mip_add(&w->counters[MIP_COUNTER_FRAGMENTED_PACKETS], 1);
	mip_add(&w->counters[MIP_COUNTER_FRAGMENTS], made);
}

static void out_packet(struct mip_worker *w, struct mip_packet *p, const struct mip_ipv4 *inner)
{
	struct mip_tunnel t;
	enum mip_drop drop = mip_path_outbound(w->table, inner, &t);

	if (drop) {
		mip_worker_drop(w, drop, drop == MIP_DROP_NO_BINDING ? NULL : &t);
		if (drop == MIP_DROP_NO_BINDING)
			mip_worker_sample(w, MIP_EVENT_UNKNOWN_HOME, inner->dst_be, 0);
		return;
	}
	drop = mip_encapsulate(p, inner, &t, next_id(w));
	if (!drop) {
		queue(w, p, &t);
	} else if (drop == MIP_DROP_NEEDS_FRAGMENTATION) {
		send_fragments(w, p, &t);
	} else {
		if (drop == MIP_DROP_TOO_BIG)
			send_too_big(w, p, &t);
		mip_worker_drop(w, drop, &t);
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
	flush(w);
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
		if (!count && !mip_worker_wait(w, w->tun_fd))
			break;
	}
	return NULL;
}
