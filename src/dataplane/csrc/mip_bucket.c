#include "mip_bucket.h"

enum { SECOND_NS = 1000000000 };

void mip_bucket_init(struct mip_bucket *b, uint32_t rate, uint32_t burst, uint64_t now_ns)
{
	b->interval_ns = rate ? (SECOND_NS + rate - 1) / rate : UINT64_MAX;
	b->burst_ns = rate ? b->interval_ns * burst : 0;
	b->credit_ns = b->burst_ns;
	b->last_ns = now_ns;
}

bool mip_bucket_take(struct mip_bucket *b, uint64_t now_ns)
{
	uint64_t gained = now_ns > b->last_ns ? now_ns - b->last_ns : 0;
	uint64_t room = b->burst_ns - b->credit_ns;

	b->credit_ns += gained < room ? gained : room;
	if (now_ns > b->last_ns)
		b->last_ns = now_ns;
	if (b->credit_ns < b->interval_ns)
		return false;
	b->credit_ns -= b->interval_ns;
	return true;
}
