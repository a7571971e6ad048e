#include "mip_ring.h"

bool mip_ring_put(struct mip_ring *r, const struct mip_event *event)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);

	if (head - atomic_load_explicit(&r->tail, memory_order_acquire) == MIP_RING_SIZE)
		return false;
	r->events[head % MIP_RING_SIZE] = *event;
	atomic_store_explicit(&r->head, head + 1, memory_order_release);
	return true;
}

bool mip_ring_take(struct mip_ring *r, struct mip_event *event)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	if (tail == atomic_load_explicit(&r->head, memory_order_acquire))
		return false;
	*event = r->events[tail % MIP_RING_SIZE];
	atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
	return true;
}
