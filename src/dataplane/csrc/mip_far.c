#include "mip_far.h"

/* A power of two, at least one for each tunnel. */
static uint32_t heads_for(uint32_t capacity)
{
	uint32_t heads = 1;

	while (heads < capacity)
		heads *= 2;
	return heads;
}

/* Where the chain of remote_be begins; the factor is secret, so chains cannot be made long from outside. */
static uint32_t *head(const struct mip_far *f, uint32_t remote_be)
{
	uint64_t hash = (remote_be + 1ull) * f->factor;

	hash ^= hash >> 32;
	return &f->heads[(hash * 0xd6e8feb86659fd93u >> 32) & f->mask];
}

/* What leads to the first of the ring of remote_be; to 0 if there is no ring. */
static uint32_t *lead(const struct mip_far *f, uint32_t remote_be)
{
	uint32_t *link = head(f, remote_be);

	while (*link && f->places[*link - 1].remote_be != remote_be)
		link = &f->places[*link - 1].chain;
	return link;
}

size_t mip_far_bytes(uint32_t capacity)
{
	return capacity * sizeof(struct mip_far_place) + heads_for(capacity) * sizeof(uint32_t);
}

void mip_far_init(struct mip_far *f, void *zeroed, uint32_t capacity, uint64_t seed)
{
	f->places = zeroed;
	f->heads = zeroed ? (uint32_t *)(f->places + capacity) : NULL;
	f->mask = heads_for(capacity) - 1;
	f->factor = seed | 1;
}

void mip_far_put(struct mip_far *f, uint32_t index, uint32_t remote_be)
{
	struct mip_far_place *place = &f->places[index], *first;
	uint32_t *link;

	if (place->next && place->remote_be == remote_be)
		return;
	mip_far_remove(f, index);
	link = lead(f, remote_be);
	if (!*link) {
		*place = (struct mip_far_place){ remote_be, index + 1, index + 1, 0 };
		*link = index + 1;
		return;
	}
	first = &f->places[*link - 1];
	*place = (struct mip_far_place){ remote_be, first->next, *link, 0 };
	f->places[first->next - 1].last = index + 1;
	first->next = index + 1;
}

void mip_far_remove(struct mip_far *f, uint32_t index)
{
	struct mip_far_place *place = &f->places[index];
	uint32_t *link;

	if (!place->next)
		return;
	link = lead(f, place->remote_be);
	if (*link == index + 1) {
		bool alone = place->next == index + 1;

		*link = alone ? place->chain : place->next;
		if (!alone)
			f->places[place->next - 1].chain = place->chain;
	}
	f->places[place->last - 1].next = place->next;
	f->places[place->next - 1].last = place->last;
	*place = (struct mip_far_place){ 0 };
}

uint32_t mip_far_first(const struct mip_far *f, uint32_t remote_be)
{
	uint32_t first = *lead(f, remote_be);

	return first ? first - 1 : MIP_FAR_END;
}

uint32_t mip_far_next(const struct mip_far *f, uint32_t first, uint32_t index)
{
	uint32_t next = f->places[index].next - 1;

	return next == first ? MIP_FAR_END : next;
}
