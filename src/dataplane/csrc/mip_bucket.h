/* mip_bucket.h - a token bucket; time is an argument. */
#ifndef MIP_BUCKET_H
#define MIP_BUCKET_H

#include "mip.h"

struct mip_bucket {
	uint64_t interval_ns; /* between tokens */
	uint64_t burst_ns;    /* interval times the number of tokens that may be saved */
	uint64_t credit_ns, last_ns;
};

/* rate tokens a second, burst saved at most and at first; rate 0 gives none, ever. */
void mip_bucket_init(struct mip_bucket *b, uint32_t rate, uint32_t burst, uint64_t now_ns);

/* Takes one token; false if there is none. */
bool mip_bucket_take(struct mip_bucket *b, uint64_t now_ns);

#endif
