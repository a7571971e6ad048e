/* mip_icmp.h - ICMP destination unreachable (RFC 792), and of it fragmentation needed (RFC 1191 4). */
#ifndef MIP_ICMP_H
#define MIP_ICMP_H

#include "mip.h"

enum { MIP_ICMP_FRAG_NEEDED = 4 }; /* a code */

/*
 * Writes a whole IPv4 datagram from source_be to the sender of orig, which
 * could not go on for the reason that code says; mtu: for fragmentation needed, else 0.  orig
 * is quoted as far as 576 bytes allow (RFC 1812 4.3.2.3).  Returns its length; 0 if cap is too small or
 * if RFC 1812 4.3.2.7 forbids an error about orig.
 */
size_t mip_icmp_unreachable(uint8_t *out, size_t cap, const uint8_t *orig, size_t len, uint32_t source_be,
			    uint8_t code, uint16_t mtu, uint16_t id);

/* Because it is longer than mtu. */
static inline size_t mip_icmp_frag_needed(uint8_t *out, size_t cap, const uint8_t *orig, size_t len,
					  uint32_t source_be, uint16_t mtu, uint16_t id)
{
	return mip_icmp_unreachable(out, cap, orig, len, source_be, MIP_ICMP_FRAG_NEEDED, mtu, id);
}

#endif
