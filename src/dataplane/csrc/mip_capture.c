#include "mip_capture.h"

#include <string.h>

#include "mip_bytes.h"
#include "mip_ipv4.h"

uint32_t mip_captures_begin(const struct mip_captures *c, _Atomic uint32_t *using)
{
	atomic_store(using, atomic_load(&c->armed));
	return atomic_load(using) & atomic_load(&c->armed);
}

bool mip_capture_wants(const struct mip_capture *c, const struct mip_tunnel *t, const struct mip_packet *p)
{
	uint32_t address_be = c->address_be;

	if (!address_be)
		return true;
	if (t)
		return t->home_be == address_be || t->remote_be == address_be || t->local_be == address_be;
	return p->len - p->tail_len >= MIP_IPV4_HEADER &&
	       (mip_load32_be(p->data + 12) == address_be || mip_load32_be(p->data + 16) == address_be);
}

struct mip_packet mip_capture_keep(uint8_t kept[MIP_CAPTURE_KEPT], const struct mip_packet *p)
{
	struct mip_packet copy = *p;
	uint32_t here = p->len - p->tail_len, count = here < MIP_CAPTURE_KEPT ? here : MIP_CAPTURE_KEPT;

	memcpy(kept, p->data, count);
	copy.data = kept;
	/* One with a tail has nothing but headers here. */
	if (!p->tail_len) {
		copy.tail = p->data + count;
		copy.tail_len = here - count;
	}
	return copy;
}

static uint64_t padded(uint32_t bytes)
{
	return sizeof(struct mip_captured) + ((uint64_t)bytes + 7) / 8 * 8;
}

static uint64_t put(struct mip_capture_ring *r, uint64_t at, const void *from, uint32_t len)
{
	uint32_t offset = at % MIP_CAPTURE_RING, first = MIP_CAPTURE_RING - offset;

	if (first > len)
		first = len;
	memcpy(r->bytes + offset, from, first);
	memcpy(r->bytes, (const uint8_t *)from + first, len - first);
	return at + len;
}

bool mip_capture_put(struct mip_capture *c, uint32_t number, struct mip_captured captured,
		     const struct mip_packet *p)
{
	struct mip_capture_ring *r = &c->rings[number];
	uint32_t here = p->len - p->tail_len;
	uint64_t at = c->head[number];
	uint64_t used = at - atomic_load_explicit(&r->tail, memory_order_acquire);

	captured.length = p->len;
	captured.captured = p->len < c->snap ? p->len : c->snap;
	if (used > MIP_CAPTURE_RING - padded(captured.captured)) {
		atomic_fetch_add_explicit(&r->lost[captured.layer], 1, memory_order_relaxed);
		return false;
	}
	at = put(r, at, &captured, sizeof(captured));
	if (here > captured.captured)
		here = captured.captured;
	at = put(r, at, p->data, here);
	if (captured.captured > here)
		put(r, at, p->tail, captured.captured - here);
	c->head[number] += padded(captured.captured);
	atomic_store_explicit(&r->head, c->head[number], memory_order_release);
	return true;
}

static void take(const struct mip_capture_ring *r, uint64_t at, void *to, uint32_t len)
{
	uint32_t offset = at % MIP_CAPTURE_RING, first = MIP_CAPTURE_RING - offset;

	if (first > len)
		first = len;
	memcpy(to, r->bytes + offset, first);
	memcpy((uint8_t *)to + first, r->bytes, len - first);
}

bool mip_capture_take(struct mip_capture_ring *r, struct mip_captured *captured, uint8_t out[MIP_PACKET_MAX])
{
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	if (tail == atomic_load_explicit(&r->head, memory_order_acquire))
		return false;
	take(r, tail, captured, sizeof(*captured));
	if (captured->captured > MIP_PACKET_MAX)
		return false;
	take(r, tail + sizeof(*captured), out, captured->captured);
	atomic_store_explicit(&r->tail, tail + padded(captured->captured), memory_order_release);
	return true;
}
