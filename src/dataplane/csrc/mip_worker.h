/*
 * mip_worker.h - the threads: TUN device to wire, wire to TUN device, broadcasts and shared links to wire.
 *
 * A worker reads a batch, finds the tunnels of all of it, and sends it; when
 * there is nothing to read it sleeps in poll() with the stop descriptor.  It
 * takes no lock, allocates nothing and never touches Python.
 */
#ifndef MIP_WORKER_H
#define MIP_WORKER_H

#include <pthread.h>

#include "mip_bucket.h"
#include "mip_capture.h"
#include "mip_coalesce.h"
#include "mip_encap.h"
#include "mip_io.h"
#include "mip_mss.h"
#include "mip_place.h"
#include "mip_ring.h"
#include "mip_segment.h"
#include "mip_stats.h"
#include "mip_table.h"
#include "mip_underlay.h"
#include "mip_unreached.h"

/* One packet's room: headroom and the longest packet, in whole cache lines. */
enum { MIP_ROOM = MIP_HEADROOM + 65536 + 64 };

/* Room for the headers of a segment, likewise. */
enum { MIP_HEADERS_ROOM = (MIP_HEADROOM + MIP_SEGMENT_HEADERS + 63) / 64 * 64 };

/* Rooms of a worker: one batch read, as many for fragments and copies, one for a segment as a whole. */
enum { MIP_ROOM_WHOLE = 2 * MIP_BATCH, MIP_ROOMS };

/* What the inward thread waits for: raw sockets, and ports of AF_XDP. */
enum { MIP_RECEIVERS = MIP_ENCAPS + MIP_XDP_WATCHED };

/* A raw socket; only IP-in-IP is used from the start. */
struct mip_receiver {
	enum mip_encap type;
	int fd;
	_Atomic bool used;
};

/* Towards an address: when the control plane was told last of a large packet, and how long that was. */
struct mip_large {
	uint64_t told_ns;
	uint32_t remote_be, len;
};

/* Addresses of which it is remembered, and how many large packets a thread tells of in a second. */
enum { MIP_LARGE_SLOTS = 256, MIP_LARGE_RATE = 100 };

struct mip_worker {
	_Alignas(64) _Atomic uint64_t drops[MIP_DROP_END], drop_bytes[MIP_DROP_END];
	_Atomic uint64_t counters[MIP_COUNTER_END];
	struct mip_ring ring;

	/* Set before the thread starts, then only read. */
	const struct mip_table *table;
	struct mip_traffic *traffic, *sent; /* what came or could not go; what went into tunnels */
	const _Atomic bool *stopping;
	struct mip_sequence *sequences;
	const struct mip_receiver *receivers; /* MIP_ENCAPS of them */
	const struct mip_place *places;       /* mip_links.h */
	struct mip_xdp *xdp;                  /* inward: whose ports receive too, or null */
	struct mip_captures *captures;
	struct mip_unreached *unreached;
	uint8_t number; /* of the thread: enum mip_direction, MIP_BROADCAST or MIP_LINK */
	int tun_fd, send_fd, stop_fd, event_fd, link_fd;
	int own_fd;   /* outward: sends as any socket of the node's home address */
	int nodes_fd; /* inward: to the broadcast thread */
	uint32_t device_mtu;
	bool clamp_mss;    /* mip_mss.h, both ways */
	bool tell_largest; /* MIP_EVENT_LARGE_PACKET */
	uint8_t *rooms;    /* MIP_ROOMS of them */

	/* The thread's own. */
	struct mip_send send;
	_Alignas(64) uint8_t headers[MIP_BATCH][MIP_HEADERS_ROOM]; /* of the segments in the send queue */
	struct mip_coalescer coalescer;
	struct mip_bucket icmp, unreachable, large_told;
	struct mip_large large[MIP_LARGE_SLOTS];
	uint64_t told_ns[MIP_EVENT_END];
	uint64_t wrong_sources; /* not told yet */
	uint32_t since_wait;    /* packets read since mip_worker_wait() */
	uint16_t id;
	uint32_t taps; /* captures that want packets of this batch */
	uint8_t kept[MIP_BATCH][MIP_CAPTURE_KEPT];
	uint8_t wanted[MIP_BATCH];  /* if there are such: captures that want what is in the send queue */
	_Atomic uint32_t capturing; /* mip_captures_begin() */

	pthread_t thread;
	bool running;
};

void *mip_worker_out(void *worker);
void *mip_worker_in(void *worker);

/* Sending: mip_worker_send.c. */

/* RFC 6864 4.1: another Identification for every datagram; never 0, which the kernel would replace. */
uint16_t mip_worker_id(struct mip_worker *w);
/*
 * Encapsulates p, in fragments if it must be, and queues it; p and its room stay
 * in use until the flush.  On TOO_BIG and other drops p is as it was, and all is counted.
 * nested: by mip_encapsulate_nested().
 */
enum mip_drop mip_worker_tunnel(struct mip_worker *w, struct mip_packet *p, const struct mip_ipv4 *inner,
				const struct mip_tunnel *t, bool nested);
/* The same with a copy of p, so that p can be used again. */
enum mip_drop mip_worker_tunnel_copy(struct mip_worker *w, const struct mip_packet *p,
				     const struct mip_ipv4 *inner, const struct mip_tunnel *t, bool nested);
/* The same for each segment of a super-packet; its sender is told once if they are too big. */
void mip_worker_tunnel_super(struct mip_worker *w, const struct mip_packet *p, const struct mip_ipv4 *inner,
			     const struct mip_super *super, const struct mip_tunnel *t);
/*
 * Tells the sender of p (RFC 2003 5.1: the tunnel's MTU without the outer header).
 * RFC 2003 5 would still send the packet on; with DF in the outer header too, it
 * could only be dropped on the way, so it is dropped here.
 */
void mip_worker_too_big(struct mip_worker *w, const struct mip_packet *p, const struct mip_tunnel *t);
/*
 * Before a packet, or a super-packet, goes into t: its sender is told if a router said that the other end cannot be
 * reached (RFC 2003 5).  The packet goes all the same, as it may be the one that gets there again.
 */
void mip_worker_tell_unreached(struct mip_worker *w, const struct mip_packet *p, const struct mip_ipv4 *inner,
			       const struct mip_super *super, const struct mip_tunnel *t);
/* Sends what is queued. */
void mip_worker_flush(struct mip_worker *w);
/* The reason for which the kernel did not take a packet. */
enum mip_drop mip_worker_refusal(int error);

/* Visitors that share a home address: mip_worker_link.c. */

/* Puts a decapsulated packet on the link of its visitor, as the kernel would: TTL, MTU and counters. */
void mip_worker_link_deliver(struct mip_worker *w, struct mip_packet *p, const struct mip_decap *d,
			     const struct mip_tunnel *t);
/* The agent's address on that link; and sends an ICMP message of at most MIP_ICMP_MAX bytes there, to whom no route leads. */
uint32_t mip_worker_link_address(const struct mip_worker *w, const struct mip_tunnel *t);
bool mip_worker_link_send(struct mip_worker *w, const uint8_t *message, size_t len,
			  const struct mip_tunnel *t);

static inline void mip_worker_check_reach(struct mip_worker *w, const struct mip_packet *p,
					  const struct mip_ipv4 *inner, const struct mip_super *super,
					  const struct mip_tunnel *t)
{
	if (mip_unreached_any(w->unreached))
		mip_worker_tell_unreached(w, p, inner, super, t);
}

/* With the switch on: what a TCP SYN of either direction announces fits the tunnel. */
static inline void mip_worker_clamp(struct mip_worker *w, const struct mip_packet *p,
				    const struct mip_ipv4 *ip, const struct mip_tunnel *t)
{
	/* A segment of a super-packet, which is in two pieces, is no SYN. */
	if (w->clamp_mss && !p->tail_len && mip_mss_is_syn(p->data, ip) && mip_mss_clamp(p->data, ip, t->mtu))
		mip_add(&w->counters[MIP_COUNTER_MSS_CLAMPED], 1);
}

/* For captures: mip_worker_capture.c.  Each is called only if w->taps is not 0. */

/* Which of the captures want packets of t, or p if it has no tunnel. */
uint32_t mip_worker_wanted(const struct mip_worker *w, const struct mip_tunnel *t,
			   const struct mip_packet *p);
void mip_worker_capture(struct mip_worker *w, uint32_t wanted, enum mip_capture_layer layer,
			enum mip_direction direction, enum mip_drop drop, const struct mip_packet *p);
/* A packet without its outer header. */
void mip_worker_capture_drop(struct mip_worker *w, enum mip_drop drop, const struct mip_tunnel *t,
			     const struct mip_packet *p);
/* The send queue, after it was sent. */
void mip_worker_capture_sent(struct mip_worker *w);

/* Around each batch. */
static inline void mip_worker_begin(struct mip_worker *w)
{
	if (atomic_load_explicit(&w->captures->armed, memory_order_relaxed))
		w->taps = mip_captures_begin(w->captures, &w->capturing);
}

static inline void mip_worker_end(struct mip_worker *w)
{
	if (atomic_load_explicit(&w->capturing, memory_order_relaxed)) {
		w->taps = 0;
		atomic_store_explicit(&w->capturing, 0, memory_order_release);
	}
}

/* Shared by all. */
uint64_t mip_now_ns(void);
void mip_worker_event(struct mip_worker *w, enum mip_event_type type, uint32_t address_be, uint64_t value);
/* The same for events that may come with every packet: one a second of each type. */
void mip_worker_sample(struct mip_worker *w, enum mip_event_type type, uint32_t address_be, uint64_t value);
/* A datagram of len bytes with DF went into t: once a second for each other end, and when it is longer than before. */
void mip_worker_large(struct mip_worker *w, const struct mip_tunnel *t, uint32_t len);
/* A packet that failed the source check: who sent it, and as whom. */
void mip_worker_wrong_source(struct mip_worker *w, uint32_t outer_be, uint32_t inner_be);
/* An interface has no port of AF_XDP now; as an event, for the engine's own too. */
struct mip_event mip_worker_lost_event(const struct mip_xdp_loss *loss);
void mip_worker_lost(struct mip_worker *w, const struct mip_xdp_loss *loss);
/*
 * Sleeps until one of at most MIP_RECEIVERS descriptors is readable; false if it is time to stop.  In the
 * midst of a stream it sleeps a little whatever comes, as network cards do (interrupt moderation): larger
 * batches, larger merged packets and fewer acknowledgements of them, and nobody wakes anybody.  Packets that
 * come one by one never wait for others.
 */
bool mip_worker_wait(struct mip_worker *w, const int *fds, uint32_t count);

static inline uint8_t *mip_room(const struct mip_worker *w, uint32_t i)
{
	return w->rooms + (size_t)i * MIP_ROOM + MIP_HEADROOM;
}

/* of is the traffic of the packets' tunnel, or null if they have none. */
static inline void mip_worker_count_drop(struct mip_worker *w, enum mip_drop drop, struct mip_traffic *of,
					 uint64_t count, uint64_t bytes)
{
	mip_add(&w->drops[drop], count);
	mip_add(&w->drop_bytes[drop], bytes);
	if (of) {
		mip_add(&of->dropped, count);
		mip_add(&of->dropped_bytes, bytes);
	}
}

/* Bytes of p, or of the segments of the super-packet that it is. */
static inline uint32_t mip_worker_bytes(const struct mip_packet *p, const struct mip_ipv4 *ip,
					const struct mip_super *super)
{
	return super->count > 1 ? mip_segment_bytes(ip, super) : p->len;
}

/* t is the packet's tunnel, or null if it has none. */
static inline void mip_worker_drop(struct mip_worker *w, enum mip_drop drop, const struct mip_tunnel *t,
				   const struct mip_packet *p)
{
	mip_worker_count_drop(w, drop, t ? &w->traffic[t->index] : NULL, 1, p->len);
	if (w->taps)
		mip_worker_capture_drop(w, drop, t, p);
}

/* All the segments of a super-packet, whose header is ip; or a packet, and then ip does not matter. */
static inline void mip_worker_drop_super(struct mip_worker *w, enum mip_drop drop, const struct mip_tunnel *t,
					 const struct mip_packet *p, const struct mip_ipv4 *ip,
					 const struct mip_super *super)
{
	mip_worker_count_drop(w, drop, t ? &w->traffic[t->index] : NULL, super->count,
			      mip_worker_bytes(p, ip, super));
	if (w->taps)
		mip_worker_capture_drop(w, drop, t, p);
}

#endif
