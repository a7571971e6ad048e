/*
 * mip_xsk.h - what an AF_XDP socket shares with the kernel: rings of descriptors, and the frames that
 * they name.
 *
 * A ring has one producer and one consumer, one of which is the kernel.  Our index is
 * published with release after the entries were written or read, theirs is loaded with acquire before.
 * Frames to be sent lie in a stack: the kernel gives them back in any order.
 */
#ifndef MIP_XSK_H
#define MIP_XSK_H

#include <linux/if_xdp.h>
#include <stdatomic.h>
#include <sys/uio.h>

#include "mip_bytes.h"
#include "mip_tunnel.h"

enum {
	MIP_XSK_FRAME = 2048,
	MIP_XSK_HEADROOM = 256, /* the kernel leaves so much in front of what it receives */
	MIP_XSK_LONGEST = MIP_XSK_FRAME - MIP_XSK_HEADROOM,
	MIP_XSK_ETHERNET = 14, /* bytes of an Ethernet header */
	MIP_XSK_SEND = 2048,   /* frames to send, and entries of the rings they go through; a power of two */
};

struct mip_xsk_ring {
	_Atomic uint32_t *producer, *consumer;
	const _Atomic uint32_t *flags;
	void *entries; /* uint64_t of addresses, or struct xdp_desc */
	uint32_t size; /* a power of two */
	uint32_t own;  /* our index: ahead of what is published */
};

struct mip_xsk_frames {
	uint32_t count;
	uint64_t free[MIP_XSK_SEND];
};

/* Entries that we may write, where we produce. */
static inline uint32_t mip_xsk_room(const struct mip_xsk_ring *r)
{
	return r->size - (r->own - atomic_load_explicit(r->consumer, memory_order_acquire));
}

/* Entries that we may read, where we consume. */
static inline uint32_t mip_xsk_ready(const struct mip_xsk_ring *r)
{
	return atomic_load_explicit(r->producer, memory_order_acquire) - r->own;
}

static inline void mip_xsk_produced(struct mip_xsk_ring *r)
{
	atomic_store_explicit(r->producer, r->own, memory_order_release);
}

static inline void mip_xsk_consumed(struct mip_xsk_ring *r)
{
	atomic_store_explicit(r->consumer, r->own, memory_order_release);
}

/* Whether the kernel wants a system call before it goes on. */
static inline bool mip_xsk_sleeps(const struct mip_xsk_ring *r)
{
	return atomic_load_explicit(r->flags, memory_order_relaxed) & XDP_RING_NEED_WAKEUP;
}

static inline uint64_t *mip_xsk_address(const struct mip_xsk_ring *r, uint32_t index)
{
	return (uint64_t *)r->entries + (index & (r->size - 1));
}

static inline struct xdp_desc *mip_xsk_desc(const struct mip_xsk_ring *r, uint32_t index)
{
	return (struct xdp_desc *)r->entries + (index & (r->size - 1));
}

/* The datagram of a frame that our program took: a short frame was padded, one that ends too early stays too short. */
static inline struct mip_packet mip_xsk_packet(uint8_t *memory, const struct xdp_desc *desc)
{
	uint8_t *data = memory + desc->addr + MIP_XSK_ETHERNET;
	uint32_t total = mip_load16(data + 2), len = desc->len - MIP_XSK_ETHERNET;

	return (struct mip_packet){ .data = data,
				    .len = total < len ? total : len,
				    .headroom = MIP_HEADROOM };
}

/* All frames of so many bytes from `first` on. */
void mip_xsk_frames_init(struct mip_xsk_frames *f, uint64_t first);
/* Takes what was sent out of its ring. */
void mip_xsk_reclaim(struct mip_xsk_frames *f, struct mip_xsk_ring *completions);
/* Gives the frames of the next count descriptors back to be received into; there is always room. */
void mip_xsk_refill(struct mip_xsk_ring *fill, struct mip_xsk_ring *received, uint32_t count);
/*
 * A frame with an Ethernet header of these two addresses and the datagram of iov, queued to be sent.
 * The caller knows that it fits, and that there is a frame: there is a place in the ring then.
 */
void mip_xsk_queue(struct mip_xsk_ring *send, struct mip_xsk_frames *f, uint8_t *memory, const uint8_t to[6],
		   const uint8_t from[6], const struct iovec *iov, size_t pieces);

#endif
