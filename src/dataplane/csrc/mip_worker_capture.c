/* mip_worker_capture.c - what a thread copies for captures. */
#define _GNU_SOURCE
#include <time.h>

#include "mip_worker.h"

static uint64_t wall_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint32_t mip_worker_wanted(const struct mip_worker *w, const struct mip_tunnel *t, const struct mip_packet *p)
{
	uint32_t wanted = 0;

	for (uint32_t i = 0; i < MIP_CAPTURES; i++)
		if (w->taps >> i & 1 && mip_capture_wants(&w->captures->capture[i], t, p))
			wanted |= 1u << i;
	return wanted;
}

void mip_worker_capture(struct mip_worker *w, uint32_t wanted, enum mip_capture_layer layer,
			enum mip_direction direction, enum mip_drop drop, const struct mip_packet *p)
{
	struct mip_captured captured = { .layer = (uint8_t)layer,
					 .direction = (uint8_t)direction,
					 .drop = (uint16_t)drop };

	if (!wanted)
		return;
	captured.time_ns = wall_ns();
	for (uint32_t i = 0; i < MIP_CAPTURES; i++)
		if (wanted >> i & 1)
			mip_capture_put(&w->captures->capture[i], w->number, captured, p);
}

void mip_worker_capture_drop(struct mip_worker *w, enum mip_drop drop, const struct mip_tunnel *t,
			     const struct mip_packet *p)
{
	mip_worker_capture(w, mip_worker_wanted(w, t, p), MIP_CAPTURE_INNER,
			   w->number == MIP_IN ? MIP_IN : MIP_OUT, drop, p);
}

void mip_worker_capture_sent(struct mip_worker *w)
{
	const struct mip_send *s = &w->send;

	for (uint32_t i = 0; i < s->count; i++) {
		const struct iovec *iov = s->iov[i];
		const struct mip_packet p = { .data = iov[0].iov_base,
					      .len = s->len[i],
					      .tail = iov[1].iov_base,
					      .tail_len = (uint32_t)iov[1].iov_len };
		enum mip_drop drop = s->error[i] ? mip_worker_refusal(s->error[i]) : MIP_OK;

		mip_worker_capture(w, w->wanted[i], MIP_CAPTURE_OUTER, MIP_OUT, drop, &p);
	}
}
