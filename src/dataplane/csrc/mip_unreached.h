/*
 * mip_unreached.h - far ends of tunnels that a router said cannot be reached, and until when that is believed:
 * the reachability in the soft state of RFC 2003 5.
 *
 * A place for each hash, which what comes later takes from what was there: state that is lost is
 * told again by a router.  One writer at a time; readers take no lock.  What the two words of a place say may be of
 * two far ends for a moment; then one of them is believed for the other's time.
 */
#ifndef MIP_UNREACHED_H
#define MIP_UNREACHED_H

#include <stdatomic.h>

#include "mip.h"

enum { MIP_UNREACHED_MAX = 256 };

struct mip_unreached {
	_Atomic uint64_t until_ns; /* the latest of all; 0: there are none, and nothing else needs a look */
	struct {
		_Atomic uint64_t until_ns;
		_Atomic uint64_t what; /* the far end, then the code of ICMP "destination unreachable" */
	} place[MIP_UNREACHED_MAX];
};

/* Writer.  Times are mip_now_ns()'s. */
void mip_unreached_put(struct mip_unreached *u, uint32_t remote_be, uint8_t code, uint64_t until_ns);

static inline bool mip_unreached_any(const struct mip_unreached *u)
{
	return atomic_load_explicit(&u->until_ns, memory_order_relaxed) != 0;
}

/* Reader: whether remote_be is unreachable now, and how.  When all of it is past, mip_unreached_any() says so again. */
bool mip_unreached_find(struct mip_unreached *u, uint32_t remote_be, uint64_t now_ns, uint8_t *code);

#endif
