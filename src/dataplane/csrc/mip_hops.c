#include "mip_hops.h"

#include <string.h>

enum { SLOTS = 2 * MIP_HOPS_MAX };

static uint64_t key_of(uint32_t local_be, uint32_t remote_be)
{
	return (uint64_t)local_be << 32 | remote_be;
}

/* The slot to look at after so many others. */
static struct mip_hop_slot *slot(const struct mip_hops *h, uint64_t key, uint32_t others)
{
	uint64_t hash = (key ^ h->seed) * 0x9e3779b97f4a7c15u;

	/* The first product's high bits do not see all of the remote address. */
	hash = (hash ^ hash >> 32) * 0xbf58476d1ce4e5b9u;
	return &h->slots[((hash >> 40) + others) % SLOTS];
}

size_t mip_hops_bytes(void)
{
	return SLOTS * sizeof(struct mip_hop_slot);
}

void mip_hops_init(struct mip_hops *h, void *zeroed, uint64_t seed)
{
	h->slots = zeroed;
	h->seed = seed;
}

static struct mip_hop_slot *place(const struct mip_hops *h, uint64_t key)
{
	struct mip_hop_slot *unused = NULL;

	for (uint32_t i = 0; i < MIP_HOPS_LOOK; i++) {
		struct mip_hop_slot *s = slot(h, key, i);

		if (atomic_load_explicit(&s->key, memory_order_relaxed) == key)
			return s;
		if (!unused && !atomic_load_explicit(&s->ifindex, memory_order_relaxed))
			unused = s;
	}
	return unused;
}

bool mip_hops_set(struct mip_hops *h, uint32_t local_be, uint32_t remote_be, const struct mip_hop *hop)
{
	uint64_t key = key_of(local_be, remote_be), address = 0;
	struct mip_hop_slot *s = place(h, key);
	uint32_t seq;

	if (!s)
		return false;
	memcpy(&address, hop->address, MIP_HOP_ADDRESS);
	seq = atomic_load_explicit(&s->seq, memory_order_relaxed);
	atomic_store_explicit(&s->seq, seq + 1, memory_order_relaxed);
	atomic_store_explicit(&s->key, key, memory_order_release);
	atomic_store_explicit(&s->ifindex, hop->ifindex, memory_order_release);
	atomic_store_explicit(&s->address, address, memory_order_release);
	atomic_store_explicit(&s->seq, seq + 2, memory_order_release);
	return true;
}

bool mip_hops_next(const struct mip_hops *h, uint32_t *cursor, uint32_t *local_be, uint32_t *remote_be)
{
	while (*cursor < SLOTS) {
		const struct mip_hop_slot *s = &h->slots[(*cursor)++];
		uint64_t key = atomic_load_explicit(&s->key, memory_order_relaxed);

		if (!atomic_load_explicit(&s->ifindex, memory_order_relaxed))
			continue;
		*local_be = (uint32_t)(key >> 32);
		*remote_be = (uint32_t)key;
		return true;
	}
	return false;
}

/* Torn or not: see mip_table.h, whose argument for a torn hit is this one's too. */
bool mip_hops_find(const struct mip_hops *h, uint32_t local_be, uint32_t remote_be, struct mip_hop *out)
{
	uint64_t key = key_of(local_be, remote_be), found, address;

	for (uint32_t i = 0; i < MIP_HOPS_LOOK; i++) {
		const struct mip_hop_slot *s = slot(h, key, i);
		uint32_t seq = atomic_load_explicit(&s->seq, memory_order_acquire);

		found = atomic_load_explicit(&s->key, memory_order_acquire);
		if (found == 0)
			return false;
		if (found != key)
			continue;
		out->ifindex = atomic_load_explicit(&s->ifindex, memory_order_acquire);
		address = atomic_load_explicit(&s->address, memory_order_acquire);
		if (seq & 1 || atomic_load_explicit(&s->seq, memory_order_relaxed) != seq)
			return false;
		memcpy(out->address, &address, MIP_HOP_ADDRESS);
		return out->ifindex != 0;
	}
	return false;
}
