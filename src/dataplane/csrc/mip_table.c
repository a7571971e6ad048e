#include "mip_table.h"

#include <string.h>

enum { SPARE = 2, WORDS = sizeof(struct mip_tunnel) / sizeof(uint64_t), LAST = WORDS - 1 };

/* How the first word of a tunnel is laid out, as a number. */
enum {
	LITTLE = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	HOME_SHIFT = LITTLE ? 0 : 32,
	INDEX_SHIFT = LITTLE ? 32 : 8,
	SIDE_SHIFT = LITTLE ? 56 : 6,
	RANK_SHIFT = LITTLE ? 58 : 3,
	BESIDE_SHIFT = LITTLE ? 61 : 0,
	SEQ_SHIFT = LITTLE ? 32 : 0, /* of the last word */
};

#define SEQ_MASK ((uint64_t)UINT32_MAX << SEQ_SHIFT)

#define NOT_KEY ((uint64_t)(MIP_CAPACITY_MAX - 1) << INDEX_SHIFT | (uint64_t)(MIP_RANKS - 1) << BESIDE_SHIFT)

static inline uint64_t make_key(uint32_t home_be, enum mip_side side, uint32_t rank)
{
	return (uint64_t)home_be << HOME_SHIFT | (uint64_t)side << SIDE_SHIFT | (uint64_t)rank << RANK_SHIFT;
}

static inline uint64_t key_of(uint64_t word)
{
	return word & ~NOT_KEY;
}

/* The first of the slots that may hold key.  Multiplied by a secret odd number: chains cannot be made long from outside. */
static inline uint64_t slot_of(const struct mip_table *t, uint64_t key)
{
	uint64_t x = key * t->factor;

	x ^= x >> 32;
	return x * 0xd6e8feb86659fd93u >> t->shift & ~(uint64_t)(MIP_LINE_SLOTS - 1);
}

static uint64_t slots_for(uint32_t capacity)
{
	uint64_t slots = MIP_LINE_SLOTS;

	while (slots < SPARE * (uint64_t)capacity)
		slots *= 2;
	return slots;
}

size_t mip_table_bytes(uint32_t capacity)
{
	return slots_for(capacity) * sizeof(struct mip_slot);
}

void mip_table_init(struct mip_table *t, void *zeroed, uint32_t capacity, uint64_t seed)
{
	uint64_t slots = slots_for(capacity);

	memset(t, 0, sizeof(*t));
	t->slots = zeroed;
	t->mask = slots - 1;
	t->shift = 64 - (uint32_t)__builtin_ctzll(slots);
	t->capacity = capacity;
	t->factor = seed | 1;
}

static inline uint64_t load_key(const struct mip_table *t, uint64_t at)
{
	return atomic_load_explicit(&t->slots[at].word[0], memory_order_acquire);
}

static void slot_write(struct mip_slot *s, const struct mip_tunnel *t)
{
	const uint64_t one = (uint64_t)1 << SEQ_SHIFT;
	uint64_t last = atomic_load_explicit(&s->word[LAST], memory_order_relaxed), word[WORDS];

	memcpy(word, t, sizeof(word));
	atomic_store_explicit(&s->word[LAST], last + one, memory_order_relaxed);
	for (int i = 0; i < LAST; i++)
		atomic_store_explicit(&s->word[i], word[i], memory_order_release);
	last = ((last + 2 * one) & SEQ_MASK) | (word[LAST] & ~SEQ_MASK);
	atomic_store_explicit(&s->word[LAST], last, memory_order_release);
}

/* The first word. */
static inline uint64_t slot_read(const struct mip_slot *s, struct mip_tunnel *t)
{
	uint64_t word[WORDS];

	do {
		word[LAST] = atomic_load_explicit(&s->word[LAST], memory_order_acquire);
#pragma GCC unroll 3
		for (int i = 0; i < LAST; i++)
			word[i] = atomic_load_explicit(&s->word[i], memory_order_acquire);
	} while (MIP_SELDOM(word[LAST] >> SEQ_SHIFT & 1) ||
		 MIP_SELDOM(atomic_load_explicit(&s->word[LAST], memory_order_relaxed) != word[LAST]));
	word[LAST] &= ~SEQ_MASK;
	/* Word by word: a wider copy would wait for the narrower stores it reads back. */
#pragma GCC unroll 4
	for (int i = 0; i < WORDS; i++)
		memcpy((uint8_t *)t + i * (int)sizeof(word[i]), &word[i], sizeof(word[i]));
	return word[0];
}

/* The slot that holds key, or the free slot where its chain ends.  Writer only. */
static uint64_t writer_find(const struct mip_table *t, uint64_t key)
{
	uint64_t at = slot_of(t, key), word;

	while ((word = load_key(t, at)) && key_of(word) != key)
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
	uint64_t at = writer_find(t, make_key(tunnel->home_be, tunnel->side, tunnel->rank));
	bool known = load_key(t, at) != 0;

	if (!known && t->used == t->capacity)
		return MIP_PUT_FULL;
	slot_write(&t->slots[at], tunnel);
	if (known)
		return MIP_PUT_REPLACED;
	count_side(t, tunnel->side, 1);
	return MIP_PUT_NEW;
}

bool mip_table_delete(struct mip_table *t, uint32_t home_be, enum mip_side side, uint32_t rank)
{
	static const struct mip_tunnel nothing;
	uint64_t hole = writer_find(t, make_key(home_be, side, rank)), at = hole, word;

	if (!load_key(t, hole))
		return false;
	/* Backward shift: pull into the hole whatever may stand there without leaving its chain. */
	for (;;) {
		struct mip_tunnel moved;

		at = (at + 1) & t->mask;
		word = load_key(t, at);
		if (!word)
			break;
		if (((at - slot_of(t, key_of(word))) & t->mask) < ((at - hole) & t->mask))
			continue;
		slot_read(&t->slots[at], &moved);
		slot_write(&t->slots[hole], &moved);
		atomic_store_explicit(&t->moves, atomic_load_explicit(&t->moves, memory_order_relaxed) + 1,
				      memory_order_release);
		hole = at;
	}
	slot_write(&t->slots[hole], &nothing);
	count_side(t, side, UINT32_MAX);
	return true;
}

static __attribute__((noinline)) bool find(const struct mip_table *t, uint64_t key, struct mip_tunnel *out)
{
	for (;;) {
		uint64_t moves = atomic_load_explicit(&t->moves, memory_order_acquire);
		uint64_t at = slot_of(t, key), word;

		while ((word = load_key(t, at)) && key_of(word) != key)
			at = (at + 1) & t->mask;
		if (word) {
			if (key_of(slot_read(&t->slots[at], out)) == key)
				return true;
		} else if (atomic_load_explicit(&t->moves, memory_order_relaxed) == moves) {
			return false;
		}
	}
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

uint32_t mip_table_prefetch(const struct mip_table *t, uint32_t home_be, enum mip_side side)
{
	uint64_t at = slot_of(t, make_key(home_be, side, 0));

	__builtin_prefetch(&t->slots[at]);
	return (uint32_t)at;
}

bool mip_table_find_near(const struct mip_table *t, uint32_t near, uint32_t home_be, enum mip_side side,
			 struct mip_tunnel *out)
{
	const uint64_t key = make_key(home_be, side, 0);
	const struct mip_slot *s = &t->slots[near];

	/* Which of a line it is nobody can foresee: added, not branched. */
	s += key_of(load_key(t, near)) != key;
	return !MIP_SELDOM(key_of(slot_read(s, out)) != key || !home_be) || find(t, key, out);
}
