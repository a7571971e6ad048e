#include "mip_stats.h"

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
	for (int d = 0; d < MIP_DIRECTIONS; d++) {
		owner->before[d].packets = mip_get(&s->traffic[d][index].packets);
		owner->before[d].bytes = mip_get(&s->traffic[d][index].bytes);
		owner->before[d].dropped = mip_get(&s->traffic[d][index].dropped);
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

	for (int d = 0; d < MIP_DIRECTIONS; d++) {
		const struct mip_traffic *t = &s->traffic[d][index];

		out->direction[d].packets = mip_get(&t->packets) - owner->before[d].packets;
		out->direction[d].bytes = mip_get(&t->bytes) - owner->before[d].bytes;
		out->direction[d].dropped = mip_get(&t->dropped) - owner->before[d].dropped;
	}
}
