#include "mip_table.h"

#include <string.h>

static uint64_t make_key(uint32_t home_be, enum mip_side side, uint32_t rank)
{
	return (uint64_t)home_be << 8 | (uint64_t)rank << 4 | (uint64_t)side << 1 | 1;
}

/* The finalizer of a 64-bit mixer; the seed keeps chains unpredictable from outside. */
static uint64_t slot_of(const struct mip_table *t, uint64_t key)
{
	uint64_t x = key ^ t->seed;

	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	x ^= x >> 32;
	return x & t->mask;
}

static uint64_t slots_for(uint32_t capacity)
{
	uint64_t slots = 2;

	while (slots < 2 * (uint64_t)capacity)
		slots *= 2;
	return slots;
}

size_t mip_table_bytes(uint32_t capacity)
{
	return slots_for(capacity) * sizeof(struct mip_slot);
}

void mip_table_init(struct mip_table *t, void *zeroed, uint32_t capacity, uint64_t seed)
{
	memset(t, 0, sizeof(*t));
	t->slots = zeroed;
	t->mask = slots_for(capacity) - 1;
	t->capacity = capacity;
	t->seed = seed;
}

static uint64_t slot_key(const struct mip_slot *s)
{
	return atomic_load_explicit(&s->key, memory_order_acquire);
}

static void slot_write(struct mip_slot *s, uint64_t key, const uint64_t value[MIP_TUNNEL_WORDS])
{
	uint32_t seq = atomic_load_explicit(&s->seq, memory_order_relaxed);

	atomic_store_explicit(&s->seq, seq + 1, memory_order_relaxed);
	atomic_store_explicit(&s->key, key, memory_order_release);
	for (int i = 0; i < MIP_TUNNEL_WORDS; i++)
		atomic_store_explicit(&s->value[i], value[i], memory_order_release);
	atomic_store_explicit(&s->seq, seq + 2, memory_order_release);
}

static inline void slot_values(const struct mip_slot *s, uint64_t value[MIP_TUNNEL_WORDS])
{
#pragma GCC unroll 8
	for (int i = 0; i < MIP_TUNNEL_WORDS; i++)
		value[i] = atomic_load_explicit(&s->value[i], memory_order_acquire);
}

/* The slot that holds key, or the free slot where its chain ends.  Writer only. */
static uint64_t writer_find(const struct mip_table *t, uint64_t key)
{
	uint64_t at = slot_of(t, key), found;

	while ((found = slot_key(&t->slots[at])) && found != key)
		at = (at + 1) & t->mask;
	return at;
}

static void count_side(struct mip_table *t, enum mip_side side, uint32_t change)
{
	uint32_t count = atomic_load_explicit(&t->of_side[side], memory_order_relaxed);

	atomic_store_explicit(&t->of_side[side], count + change, memory_order_relaxed);
	t->used += change;
}

enum mip_put mip_table_put(struct mip_table *t, const struct mip_tunnel *tunnel)
{
	uint64_t key = make_key(tunnel->home_be, (enum mip_side)tunnel->side, tunnel->rank);
	struct mip_slot *s = &t->slots[writer_find(t, key)];
	bool replaces = slot_key(s) == key;
	uint64_t value[MIP_TUNNEL_WORDS];

	if (!replaces && t->used == t->capacity)
		return MIP_PUT_FULL;
	memcpy(value, tunnel, sizeof(value));
	slot_write(s, key, value);
	if (replaces)
		return MIP_PUT_REPLACED;
	count_side(t, (enum mip_side)tunnel->side, 1);
	return MIP_PUT_NEW;
}

bool mip_table_delete(struct mip_table *t, uint32_t home_be, enum mip_side side, uint32_t rank)
{
	static const uint64_t nothing[MIP_TUNNEL_WORDS];
	uint64_t key = make_key(home_be, side, rank), value[MIP_TUNNEL_WORDS];
	uint64_t hole = writer_find(t, key), at = hole, moved;

	if (slot_key(&t->slots[hole]) != key)
		return false;
	/* Backward shift: pull into the hole whatever may stand there without leaving its chain. */
	for (;;) {
		at = (at + 1) & t->mask;
		moved = slot_key(&t->slots[at]);
		if (!moved)
			break;
		if (((at - slot_of(t, moved)) & t->mask) < ((at - hole) & t->mask))
			continue;
		slot_values(&t->slots[at], value);
		slot_write(&t->slots[hole], moved, value);
		atomic_store_explicit(&t->moves, atomic_load_explicit(&t->moves, memory_order_relaxed) + 1,
				      memory_order_release);
		hole = at;
	}
	slot_write(&t->slots[hole], 0, nothing);
	count_side(t, side, UINT32_MAX);
	return true;
}

static bool slot_read(const struct mip_slot *s, uint64_t key, uint64_t *found, struct mip_tunnel *out)
{
	uint64_t value[MIP_TUNNEL_WORDS];

	for (;;) {
		uint32_t seq = atomic_load_explicit(&s->seq, memory_order_acquire);

		*found = slot_key(s);
		if (*found != key)
			return false;
		if (seq & 1)
			continue;
		slot_values(s, value);
		if (atomic_load_explicit(&s->seq, memory_order_relaxed) == seq)
			break;
	}
	/* Word by word: a wider copy would wait for the narrower stores it reads back. */
#pragma GCC unroll 8
	for (int i = 0; i < MIP_TUNNEL_WORDS; i++)
		memcpy((uint8_t *)out + i * (int)sizeof(value[i]), &value[i], sizeof(value[i]));
	return true;
}

static inline bool find(const struct mip_table *t, uint64_t key, struct mip_tunnel *out)
{
	uint64_t found, moves;

	do {
		uint64_t at = slot_of(t, key);

		moves = atomic_load_explicit(&t->moves, memory_order_acquire);
		do {
			if (slot_read(&t->slots[at], key, &found, out))
				return true;
			at = (at + 1) & t->mask;
		} while (found);
	} while (atomic_load_explicit(&t->moves, memory_order_relaxed) != moves);
	return false;
}

bool mip_table_find(const struct mip_table *t, uint32_t home_be, enum mip_side side, struct mip_tunnel *out)
{
	return find(t, make_key(home_be, side, 0), out);
}

bool mip_table_find_rank(const struct mip_table *t, uint32_t home_be, enum mip_side side, uint32_t rank,
			 struct mip_tunnel *out)
{
	return find(t, make_key(home_be, side, rank), out);
}

void mip_table_prefetch(const struct mip_table *t, uint32_t home_be, enum mip_side side)
{
	__builtin_prefetch(&t->slots[slot_of(t, make_key(home_be, side, 0))]);
}
