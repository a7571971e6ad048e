#include "mip_stats.h"

#include <string.h>

void mip_sequence_reset(struct mip_sequence *s)
{
	atomic_store_explicit(&s->next, 0, memory_order_relaxed);
	mip_sequence_expect_any(s);
}

void mip_sequence_expect_any(struct mip_sequence *s)
{
	atomic_store_explicit(&s->late, MIP_SEQUENCE_LATE, memory_order_relaxed);
}

uint32_t mip_sequence_next(struct mip_sequence *s)
{
	return atomic_fetch_add_explicit(&s->next, 1, memory_order_relaxed);
}

bool mip_sequence_accept(struct mip_sequence *s, uint32_t received)
{
	uint32_t ahead = received - atomic_load_explicit(&s->last, memory_order_relaxed);
	uint32_t late = atomic_load_explicit(&s->late, memory_order_relaxed);

	if ((ahead == 0 || ahead > UINT32_MAX / 2 + 1) && late < MIP_SEQUENCE_LATE) {
		atomic_store_explicit(&s->late, late + 1, memory_order_relaxed);
		return false;
	}
	atomic_store_explicit(&s->last, received, memory_order_relaxed);
	if (late)
		atomic_store_explicit(&s->late, 0, memory_order_relaxed);
	return true;
}

int64_t mip_stats_take(struct mip_stats *s, uint32_t home_be, enum mip_side side)
{
	struct mip_owner *owner;
	uint32_t index;

	if (s->rest > MIP_STATS_REST || (s->fresh == s->capacity && s->rest > 0)) {
		index = s->resting[s->first];
		s->first = (s->first + 1) % s->capacity;
		s->rest--;
	} else if (s->fresh < s->capacity) {
		index = s->fresh++;
	} else {
		return MIP_NO_INDEX;
	}
	owner = &s->owners[index];
	owner->home_be = home_be;
	owner->side = (uint8_t)side;
	owner->taken = 1;
	for (int d = 0; d < MIP_ARRAYS; d++) {
		owner->before[d].packets = mip_get(&s->traffic[d][index].packets);
		owner->before[d].bytes = mip_get(&s->traffic[d][index].bytes);
		owner->before[d].dropped = mip_get(&s->traffic[d][index].dropped);
		owner->before[d].dropped_bytes = mip_get(&s->traffic[d][index].dropped_bytes);
	}
	return index;
}

void mip_stats_release(struct mip_stats *s, uint32_t index)
{
	s->owners[index].taken = 0;
	s->resting[(s->first + s->rest) % s->capacity] = index;
	s->rest++;
}

void mip_stats_read(const struct mip_stats *s, uint32_t index, struct mip_status *out)
{
	const struct mip_owner *owner = &s->owners[index];

	memset(out->direction, 0, sizeof(out->direction));
	for (int d = 0; d < MIP_ARRAYS; d++) {
		const struct mip_traffic *t = &s->traffic[d][index];
		struct mip_sum *sum = &out->direction[d == MIP_IN ? MIP_IN : MIP_OUT];

		sum->packets += mip_get(&t->packets) - owner->before[d].packets;
		sum->bytes += mip_get(&t->bytes) - owner->before[d].bytes;
		sum->dropped += mip_get(&t->dropped) - owner->before[d].dropped;
		sum->dropped_bytes += mip_get(&t->dropped_bytes) - owner->before[d].dropped_bytes;
	}
}
