#include "mip_table.h"

#include <string.h>

enum { CACHE_LINE = 64, SPARE = 4, HOME_SHIFT = 32, PLACE_SHIFT = 8, RANK_SHIFT = 4, SIDE_SHIFT = 1 };

#define PLACE_MASK ((uint64_t)(MIP_CAPACITY_MAX - 1) << PLACE_SHIFT)

static inline uint64_t make_key(uint32_t home_be, enum mip_side side, uint32_t rank)
{
	return (uint64_t)home_be << HOME_SHIFT | (uint64_t)rank << RANK_SHIFT | (uint64_t)side << SIDE_SHIFT |
	       1;
}

static inline uint64_t key_of(uint64_t word)
{
	return word & ~PLACE_MASK;
}

static inline uint32_t place_of(uint64_t word)
{
	return (uint32_t)((word & PLACE_MASK) >> PLACE_SHIFT);
}

/* Multiplied by a secret odd number: chains cannot be made long from outside. */
static inline uint64_t slot_of(const struct mip_table *t, uint64_t key)
{
	uint64_t x = key * t->factor;

	x ^= x >> 32;
	return x * 0xd6e8feb86659fd93u >> t->shift;
}

static uint64_t slots_for(uint32_t capacity)
{
	uint64_t slots = CACHE_LINE / sizeof(uint64_t);

	while (slots < SPARE * (uint64_t)capacity)
		slots *= 2;
	return slots;
}

size_t mip_table_bytes(uint32_t capacity)
{
	size_t entries = capacity * (sizeof(struct mip_entry) + sizeof(uint32_t));

	return slots_for(capacity) * sizeof(uint64_t) + (entries + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

void mip_table_init(struct mip_table *t, void *zeroed, uint32_t capacity, uint64_t seed)
{
	uint64_t slots = slots_for(capacity);

	memset(t, 0, sizeof(*t));
	t->slots = zeroed;
	t->entries = (struct mip_entry *)((uint8_t *)zeroed + slots * sizeof(uint64_t));
	t->unused = (uint32_t *)(t->entries + capacity);
	t->mask = slots - 1;
	t->shift = 64 - (uint32_t)__builtin_ctzll(slots);
	t->capacity = capacity;
	t->factor = seed | 1;
}

static inline uint64_t load_word(const struct mip_table *t, uint64_t at)
{
	return atomic_load_explicit(&t->slots[at], memory_order_acquire);
}

static void store_word(struct mip_table *t, uint64_t at, uint64_t word)
{
	atomic_store_explicit(&t->slots[at], word, memory_order_release);
}

static void entry_write(struct mip_entry *e, const struct mip_tunnel *tunnel)
{
	uint32_t seq = atomic_load_explicit(&e->seq, memory_order_relaxed);
	uint64_t value[MIP_TUNNEL_WORDS];

	memcpy(value, tunnel, sizeof(value));
	atomic_store_explicit(&e->seq, seq + 1, memory_order_relaxed);
	for (int i = 0; i < MIP_TUNNEL_WORDS; i++)
		atomic_store_explicit(&e->value[i], value[i], memory_order_release);
	atomic_store_explicit(&e->seq, seq + 2, memory_order_release);
}

static inline void entry_read(const struct mip_entry *e, struct mip_tunnel *out)
{
	uint64_t value[MIP_TUNNEL_WORDS];
	uint32_t seq;

	do {
		seq = atomic_load_explicit(&e->seq, memory_order_acquire);
#pragma GCC unroll 8
		for (int i = 0; i < MIP_TUNNEL_WORDS; i++)
			value[i] = atomic_load_explicit(&e->value[i], memory_order_acquire);
	} while (seq & 1 || atomic_load_explicit(&e->seq, memory_order_relaxed) != seq);
	/* Word by word: a wider copy would wait for the narrower stores it reads back. */
#pragma GCC unroll 8
	for (int i = 0; i < MIP_TUNNEL_WORDS; i++)
		memcpy((uint8_t *)out + i * (int)sizeof(value[i]), &value[i], sizeof(value[i]));
}

/* The slot that holds key, or the free slot where its chain ends.  Writer only. */
static uint64_t writer_find(const struct mip_table *t, uint64_t key)
{
	uint64_t at = slot_of(t, key), word;

	while ((word = load_word(t, at)) && key_of(word) != key)
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
	uint64_t at = writer_find(t, key), word = load_word(t, at);
	uint32_t place;

	if (word) {
		entry_write(&t->entries[place_of(word)], tunnel);
		return MIP_PUT_REPLACED;
	}
	if (t->used == t->capacity)
		return MIP_PUT_FULL;
	place = t->returned > 0 ? t->unused[--t->returned] : t->fresh++;
	entry_write(&t->entries[place], tunnel);
	store_word(t, at, key | (uint64_t)place << PLACE_SHIFT);
	count_side(t, (enum mip_side)tunnel->side, 1);
	return MIP_PUT_NEW;
}

bool mip_table_delete(struct mip_table *t, uint32_t home_be, enum mip_side side, uint32_t rank)
{
	/* Zeros would be the tunnel of 0.0.0.0. */
	static const struct mip_tunnel nothing = { .side = MIP_SIDES };
	uint64_t key = make_key(home_be, side, rank);
	uint64_t hole = writer_find(t, key), at = hole, moved, word = load_word(t, hole);

	if (!word)
		return false;
	/* Backward shift: pull into the hole whatever may stand there without leaving its chain. */
	for (;;) {
		at = (at + 1) & t->mask;
		moved = load_word(t, at);
		if (!moved)
			break;
		if (((at - slot_of(t, key_of(moved))) & t->mask) < ((at - hole) & t->mask))
			continue;
		store_word(t, hole, moved);
		atomic_store_explicit(&t->moves, atomic_load_explicit(&t->moves, memory_order_relaxed) + 1,
				      memory_order_release);
		hole = at;
	}
	store_word(t, hole, 0);
	entry_write(&t->entries[place_of(word)], &nothing);
	t->unused[t->returned++] = place_of(word);
	count_side(t, side, UINT32_MAX);
	return true;
}

/* The word of key; 0 if there is none. */
static inline uint64_t find_word(const struct mip_table *t, uint64_t key)
{
	uint64_t word, moves;

	do {
		uint64_t at = slot_of(t, key);

		moves = atomic_load_explicit(&t->moves, memory_order_acquire);
		while ((word = load_word(t, at))) {
			if (key_of(word) == key)
				return word;
			at = (at + 1) & t->mask;
		}
	} while (atomic_load_explicit(&t->moves, memory_order_relaxed) != moves);
	return 0;
}

static inline bool is_of(const struct mip_tunnel *t, uint32_t home_be, enum mip_side side, uint32_t rank)
{
	return t->home_be == home_be && t->side == side && t->rank == rank;
}

static inline bool find(const struct mip_table *t, uint32_t home_be, enum mip_side side, uint32_t rank,
			struct mip_tunnel *out)
{
	uint64_t word;

	do {
		word = find_word(t, make_key(home_be, side, rank));
		if (!word)
			return false;
		entry_read(&t->entries[place_of(word)], out);
	} while (!is_of(out, home_be, side, rank));
	return true;
}

bool mip_table_find(const struct mip_table *t, uint32_t home_be, enum mip_side side, struct mip_tunnel *out)
{
	return find(t, home_be, side, 0, out);
}

bool mip_table_find_rank(const struct mip_table *t, uint32_t home_be, enum mip_side side, uint32_t rank,
			 struct mip_tunnel *out)
{
	return find(t, home_be, side, rank, out);
}

void mip_table_prefetch(const struct mip_table *t, uint32_t home_be, enum mip_side side)
{
	__builtin_prefetch(&t->slots[slot_of(t, make_key(home_be, side, 0))]);
}

uint32_t mip_table_locate(const struct mip_table *t, uint32_t home_be, enum mip_side side)
{
	uint64_t word = find_word(t, make_key(home_be, side, 0));

	if (!word)
		return MIP_NOWHERE;
	__builtin_prefetch(&t->entries[place_of(word)]);
	return place_of(word);
}

bool mip_table_read(const struct mip_table *t, uint32_t place, uint32_t home_be, enum mip_side side,
		    struct mip_tunnel *out)
{
	entry_read(&t->entries[place], out);
	return is_of(out, home_be, side, 0);
}
