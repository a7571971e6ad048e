/* mip_worker_send.c - packets into tunnels and onto the wire, for the threads that send. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "mip_encap.h"
#include "mip_frag.h"
#include "mip_icmp.h"
#include "mip_worker.h"

enum mip_drop mip_worker_refusal(int error)
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

uint16_t mip_worker_id(struct mip_worker *w)
{
	w->id++;
	if (w->id == 0)
		w->id = 1;
	return w->id;
}

static void count_sent(struct mip_worker *w, uint32_t index, uint64_t packets, uint64_t bytes)
{
	struct mip_traffic *traffic = &w->sent[index];

	mip_add(&traffic->packets, packets);
	mip_add(&traffic->bytes, bytes);
	mip_add(&w->counters[MIP_COUNTER_ENCAPSULATED_PACKETS], packets);
	mip_add(&w->counters[MIP_COUNTER_ENCAPSULATED_BYTES], bytes);
}

void mip_worker_flush(struct mip_worker *w)
{
	struct mip_send *s = &w->send;
	uint64_t packets = 0, bytes = 0, past_routing = 0;

	mip_send_flush(s, w->stop_fd);
	if (w->taps)
		mip_worker_capture_sent(w);
	if (s->fell_back) {
		mip_worker_event(w, MIP_EVENT_UNDERLAY_FELL_BACK, 0, (uint64_t)s->fell_back);
		s->fell_back = 0;
	}
	if (s->lost.error) {
		mip_worker_lost(w, &s->lost);
		s->lost.error = 0;
	}
	for (uint32_t i = 0; i < s->count; i++) {
		struct mip_traffic *traffic = &w->sent[s->index[i]];

		if (s->error[i]) {
			enum mip_drop drop = mip_worker_refusal(s->error[i]);

			mip_worker_count_drop(w, drop, traffic, 1, s->inner[i]);
			if (drop == MIP_DROP_SEND_TOO_BIG)
				mip_worker_sample(w, MIP_EVENT_TUNNEL_TOO_BIG, s->remote_be[i], s->len[i]);
			continue;
		}
		mip_add(&traffic->packets, 1);
		mip_add(&traffic->bytes, s->inner[i]);
		packets++;
		bytes += s->inner[i];
		past_routing += s->way[i] != MIP_UNDERLAY_RAW;
	}
	mip_add(&w->counters[MIP_COUNTER_ENCAPSULATED_PACKETS], packets);
	mip_add(&w->counters[MIP_COUNTER_ENCAPSULATED_BYTES], bytes);
	mip_add(&w->counters[MIP_COUNTER_PAST_ROUTING], past_routing);
	s->count = 0;
}

static enum mip_drop encapsulate(struct mip_worker *w, struct mip_packet *p, const struct mip_ipv4 *inner,
				 const struct mip_tunnel *t, bool nested)
{
	struct mip_tunnel numbered;
	uint8_t kept[MIP_CAPTURE_KEPT];
	struct mip_packet before;
	enum mip_drop drop;

	if (w->taps)
		before = mip_capture_keep(kept, p);
	if (t->flags & MIP_F_GRE_SEQUENCE) {
		numbered = *t;
		numbered.sequence = mip_sequence_next(&w->sequences[t->index]);
		t = &numbered;
	}
	drop = nested ? mip_encapsulate_nested(p, inner, t, mip_worker_id(w))
		      : mip_encapsulate(p, inner, t, mip_worker_id(w));
	if (w->taps && !drop)
		mip_worker_capture(w, mip_worker_wanted(w, t, &before), MIP_CAPTURE_INNER, MIP_OUT, MIP_OK,
				   &before);
	return drop;
}

static void queue(struct mip_worker *w, const struct mip_packet *p, const struct mip_ipv4 *inner,
		  const struct mip_tunnel *t, bool nested)
{
	if (w->tell_largest && inner->frag & MIP_IPV4_DF && p->len > MIP_PATH_FLOOR)
		mip_worker_large(w, t, p->len);
	if (w->taps)
		w->wanted[w->send.count] = (uint8_t)mip_worker_wanted(w, t, p);
	mip_send_add(&w->send, p, t, inner->total + (nested ? MIP_IPV4_HEADER : 0u));
	if (w->send.count == MIP_BATCH)
		mip_worker_flush(w);
}

/* The room of the next place in the send queue: none is used twice before a flush. */
static struct mip_packet next_room(const struct mip_worker *w)
{
	return (struct mip_packet){ .data = mip_room(w, MIP_BATCH + w->send.count),
				    .len = 0,
				    .headroom = MIP_HEADROOM };
}

/* The same in one piece. */
static struct mip_packet whole(const struct mip_worker *w, const struct mip_packet *p)
{
	struct mip_packet copy = { .data = mip_room(w, MIP_ROOM_WHOLE),
				   .len = p->len,
				   .headroom = MIP_HEADROOM };

	memcpy(copy.data, p->data, p->len - p->tail_len);
	memcpy(copy.data + p->len - p->tail_len, p->tail, p->tail_len);
	return copy;
}

static void tunnel_fragments(struct mip_worker *w, const struct mip_packet *original,
			     const struct mip_tunnel *t, bool nested)
{
	struct mip_packet packet = original->tail_len ? whole(w, original) : *original;
	uint16_t fits = nested ? mip_tunnel_nested(t).mtu : mip_tunnel_fits(t, true);
	struct mip_frag frag;
	enum mip_drop drop;
	uint64_t made = 0;

	if (!mip_frag_begin(&frag, packet.data, packet.len, fits)) {
		mip_worker_drop(w, MIP_DROP_NEEDS_FRAGMENTATION, t, &packet);
		return;
	}
	for (;;) {
		struct mip_packet p = next_room(w);
		struct mip_ipv4 ip;

		p.len = (uint32_t)mip_frag_next(&frag, p.data, MIP_PACKET_MAX);
		if (p.len == 0)
			break;
		made++;
		drop = mip_ipv4_parse(p.data, p.len, MIP_INNER, &ip);
		if (!drop)
			drop = encapsulate(w, &p, &ip, t, nested);
		if (drop)
			mip_worker_drop(w, drop, t, &p);
		else
			queue(w, &p, &ip, t, nested);
	}
	mip_add(&w->counters[MIP_COUNTER_FRAGMENTED_PACKETS], 1);
	mip_add(&w->counters[MIP_COUNTER_FRAGMENTS], made);
}

/* original holds what p holds, in another room or the same. */
static enum mip_drop tunnel(struct mip_worker *w, struct mip_packet *p, const struct mip_packet *original,
			    const struct mip_ipv4 *inner, const struct mip_tunnel *t, bool nested)
{
	enum mip_drop drop = encapsulate(w, p, inner, t, nested);

	if (!drop) {
		queue(w, p, inner, t, nested);
	} else if (drop == MIP_DROP_NEEDS_FRAGMENTATION) {
		tunnel_fragments(w, original, t, nested);
		return MIP_OK;
	} else {
		mip_worker_drop(w, drop, t, p);
	}
	return drop;
}

enum mip_drop mip_worker_tunnel(struct mip_worker *w, struct mip_packet *p, const struct mip_ipv4 *inner,
				const struct mip_tunnel *t, bool nested)
{
	mip_worker_clamp(w, p, inner, t);
	return tunnel(w, p, p, inner, t, nested);
}

enum mip_drop mip_worker_tunnel_copy(struct mip_worker *w, const struct mip_packet *p,
				     const struct mip_ipv4 *inner, const struct mip_tunnel *t, bool nested)
{
	struct mip_packet copy = next_room(w);

	mip_worker_clamp(w, p, inner, t);
	copy.len = inner->total;
	memcpy(copy.data, p->data, copy.len);
	return tunnel(w, &copy, p, inner, t, nested);
}

/*
 * By a port of AF_XDP, whose interface has it cut: less work than ours, where it comes last or in the card.  Not if
 * a capture wants the segments.  What is refused is still as it was.
 */
static int send_whole(struct mip_worker *w, const struct mip_packet *p, const struct mip_ipv4 *inner,
		      const struct mip_super *super, const struct mip_tunnel *t, const struct mip_hop *hop)
{
	struct mip_xdp_port *port = mip_xdp_take(w->send.xdp, hop->ifindex, MIP_XDP_SENDER);
	uint8_t header[MIP_OFFLOAD_HEADER];
	struct mip_packet whole = *p;
	int error = EOPNOTSUPP;

	if (!port)
		return error;
	mip_offload_whole(header, p->data, inner, super, MIP_XSK_ETHERNET + MIP_IPV4_HEADER);
	if (!mip_encapsulate_whole(&whole, inner, super, t, mip_worker_id(w)))
		error = mip_xdp_send_whole(port, hop, whole.data, whole.len, header);
	if (error == EAGAIN && mip_send_wait(port->sockets.whole_fd, w->stop_fd))
		error = mip_xdp_send_whole(port, hop, whole.data, whole.len, header);
	mip_xdp_release(port, MIP_XDP_SENDER);
	return error;
}

/* Sent or, as the device would have it, lost; false if it is to be cut here. */
static bool tunnel_whole(struct mip_worker *w, const struct mip_packet *p, const struct mip_ipv4 *inner,
			 const struct mip_super *super, const struct mip_tunnel *t)
{
	const uint32_t largest = (uint32_t)super->headers + super->size + MIP_IPV4_HEADER;
	struct mip_hop hop;
	int error;

	if (w->send.preferred != MIP_UNDERLAY_XDP || w->taps || t->encap != MIP_ENCAP_IPIP ||
	    inner->protocol != MIP_PROTO_TCP ||
	    !mip_hops_find(w->send.hops, t->local_be, t->remote_be, &hop) ||
	    !mip_xdp_carries(w->send.xdp, hop.ifindex, largest))
		return false;
	/* No packet overtakes another. */
	mip_worker_flush(w);
	error = send_whole(w, p, inner, super, t, &hop);
	/* A queue is full: some of the segments may have gone, and none goes twice. */
	if (error == ENOBUFS)
		mip_worker_drop_super(w, MIP_DROP_SEND_NO_BUFFERS, t, p, inner, super);
	if (error)
		return error == ENOBUFS;
	/* The kernel counts on from the first one's. */
	w->id = (uint16_t)(w->id + super->count);
	if (w->tell_largest && inner->frag & MIP_IPV4_DF)
		mip_worker_large(w, t, largest);
	count_sent(w, t->index, super->count, mip_segment_bytes(inner, super));
	mip_add(&w->counters[MIP_COUNTER_PAST_ROUTING], super->count);
	mip_add(&w->counters[MIP_COUNTER_WHOLE_PACKETS], 1);
	return true;
}

void mip_worker_tunnel_super(struct mip_worker *w, const struct mip_packet *p, const struct mip_ipv4 *inner,
			     const struct mip_super *super, const struct mip_tunnel *t)
{
	bool fits = super->headers + super->size <= mip_tunnel_fits(t, false);
	struct mip_segmenter s;

	if (fits && tunnel_whole(w, p, inner, super, t))
		return;
	mip_segment_begin(&s, p->data, inner, super);
	for (;;) {
		struct mip_packet segment = { .data = w->headers[w->send.count] + MIP_HEADROOM,
					      .len = 0,
					      .headroom = MIP_HEADROOM };

		if (!mip_segment_next(&s, &segment))
			break;
		if (!fits && inner->frag & MIP_IPV4_DF) {
			segment = whole(w, &segment);
			mip_worker_drop_super(w, MIP_DROP_TOO_BIG, t, p, inner, super);
			mip_worker_too_big(w, &segment, t);
			break;
		}
		mip_worker_tunnel(w, &segment, &s.ip, t, false);
	}
}

/*
 * Sends "destination unreachable" to the sender of p; whether it went.  By the raw socket, not the TUN device:
 * there the kernel would take a packet from one of its own addresses for a forged one.
 */
static bool send_unreachable(struct mip_worker *w, struct mip_bucket *bucket, const struct mip_packet *p,
			     const struct mip_tunnel *t, uint8_t code, uint16_t mtu)
{
	bool on_link = t->flags & MIP_F_SHARED;
	uint32_t source_be = on_link ? mip_worker_link_address(w, t) : t->local_be;
	uint8_t message[MIP_ICMP_MAX];
	struct mip_ipv4 ip;
	struct sockaddr_in to = { .sin_family = AF_INET };
	size_t len = mip_icmp_unreachable(message, sizeof(message), p->data, p->len, source_be, code, mtu,
					  mip_worker_id(w));
	bool sent;

	if (len == 0 || mip_ipv4_parse(message, len, MIP_OUTER, &ip)) {
		mip_add(&w->counters[MIP_COUNTER_ICMP_FORBIDDEN], 1);
		return false;
	}
	if (!mip_bucket_take(bucket, mip_now_ns())) {
		mip_add(&w->counters[MIP_COUNTER_ICMP_LIMITED], 1);
		return false;
	}
	to.sin_addr.s_addr = ip.dst_be;
	sent = on_link ? mip_worker_link_send(w, message, len, t)
		       : sendto(w->send_fd, message, len, 0, (struct sockaddr *)&to, sizeof(to)) >= 0;
	mip_add(&w->counters[MIP_COUNTER_ICMP_FAILED], !sent);
	return sent;
}

void mip_worker_too_big(struct mip_worker *w, const struct mip_packet *p, const struct mip_tunnel *t)
{
	if (send_unreachable(w, &w->icmp, p, t, MIP_ICMP_FRAG_NEEDED, t->mtu))
		mip_add(&w->counters[MIP_COUNTER_ICMP_SENT], 1);
}

void mip_worker_tell_unreached(struct mip_worker *w, const struct mip_packet *p, const struct mip_ipv4 *inner,
			       const struct mip_super *super, const struct mip_tunnel *t)
{
	uint8_t headers[MIP_HEADERS_ROOM], code;
	struct mip_packet told = *p;
	struct mip_segmenter s;

	if (!mip_unreached_find(w->unreached, t->remote_be, mip_now_ns(), &code))
		return;
	if (super->count > 1) {
		told = (struct mip_packet){ .data = headers + MIP_HEADROOM, .headroom = MIP_HEADROOM };
		mip_segment_begin(&s, p->data, inner, super);
		if (!mip_segment_next(&s, &told))
			return;
		told = whole(w, &told);
	}
	if (send_unreachable(w, &w->unreachable, &told, t, code, 0))
		mip_add(&w->counters[MIP_COUNTER_UNREACHABLE_SENT], 1);
}
