#include "mip_xsk.h"

#include <string.h>

enum { ADDRESS = 6, IPV4 = 0x0800 };

void mip_xsk_frames_init(struct mip_xsk_frames *f, uint64_t first)
{
	f->count = MIP_XSK_SEND;
	/* The first is on top. */
	for (uint32_t i = 0; i < MIP_XSK_SEND; i++)
		f->free[i] = first + (uint64_t)(MIP_XSK_SEND - 1 - i) * MIP_XSK_FRAME;
}

void mip_xsk_reclaim(struct mip_xsk_frames *f, struct mip_xsk_ring *completions)
{
	uint32_t ready = mip_xsk_ready(completions);

	if (!ready)
		return;
	/* More would be none of ours: never, and then no reason to write where there is no place. */
	for (; ready && f->count < MIP_XSK_SEND; ready--)
		f->free[f->count++] = *mip_xsk_address(completions, completions->own++);
	mip_xsk_consumed(completions);
}

void mip_xsk_refill(struct mip_xsk_ring *fill, struct mip_xsk_ring *received, uint32_t count)
{
	for (; count; count--) {
		/* Where in its frame the packet began is the kernel's business. */
		uint64_t address = mip_xsk_desc(received, received->own++)->addr;

		*mip_xsk_address(fill, fill->own++) = address & ~(uint64_t)(MIP_XSK_FRAME - 1);
	}
	mip_xsk_consumed(received);
	mip_xsk_produced(fill);
}

void mip_xsk_queue(struct mip_xsk_ring *send, struct mip_xsk_frames *f, uint8_t *memory,
		   const uint8_t to[ADDRESS], const uint8_t from[ADDRESS], const struct iovec *iov,
		   size_t pieces)
{
	uint64_t address = f->free[--f->count];
	uint8_t *start = memory + address, *at = start + MIP_XSK_ETHERNET;

	memcpy(start, to, ADDRESS);
	memcpy(start + ADDRESS, from, ADDRESS);
	mip_store16(start + 2 * ADDRESS, IPV4);
	for (size_t i = 0; i < pieces; i++) {
		memcpy(at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	*mip_xsk_desc(send, send->own++) =
		(struct xdp_desc){ .addr = address, .len = (uint32_t)(at - start) };
}
