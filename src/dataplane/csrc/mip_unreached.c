#include "mip_unreached.h"

static uint32_t place_of(uint32_t remote_be)
{
	return remote_be * 0x9e3779b1u >> 24;
}

_Static_assert(MIP_UNREACHED_MAX == 1 << 8, "as many places as the hash has values");

void mip_unreached_put(struct mip_unreached *u, uint32_t remote_be, uint8_t code, uint64_t until_ns)
{
	uint32_t at = place_of(remote_be);

	atomic_store_explicit(&u->place[at].what, (uint64_t)remote_be << 32 | code, memory_order_relaxed);
	atomic_store_explicit(&u->place[at].until_ns, until_ns, memory_order_relaxed);
	if (until_ns > atomic_load_explicit(&u->until_ns, memory_order_relaxed))
		atomic_store_explicit(&u->until_ns, until_ns, memory_order_release);
}

bool mip_unreached_find(struct mip_unreached *u, uint32_t remote_be, uint64_t now_ns, uint8_t *code)
{
	uint64_t latest = atomic_load_explicit(&u->until_ns, memory_order_acquire), what;
	uint32_t at = place_of(remote_be);

	if (now_ns >= latest) {
		/* Not if the writer has just put another there. */
		atomic_compare_exchange_strong_explicit(&u->until_ns, &latest, 0, memory_order_relaxed,
							memory_order_relaxed);
		return false;
	}
	what = atomic_load_explicit(&u->place[at].what, memory_order_relaxed);
	*code = (uint8_t)what;
	return what >> 32 == remote_be &&
	       now_ns < atomic_load_explicit(&u->place[at].until_ns, memory_order_relaxed);
}
