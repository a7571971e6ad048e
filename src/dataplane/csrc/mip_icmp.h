/* mip_icmp.h - ICMP destination unreachable, fragmentation needed (RFC 792, RFC 1191 4). */
#ifndef MIP_ICMP_H
#define MIP_ICMP_H

#include "mip.h"

/*
 * Writes a whole IPv4 datagram from source_be to the sender of orig, which
 * could not go on because it is longer than mtu.  orig is quoted as far as 576
 * bytes allow (RFC 1812 4.3.2.3).  Returns its length; 0 if cap is too small or
 * if RFC 1812 4.3.2.7 forbids an error about orig.
 */
size_t mip_icmp_frag_needed(uint8_t *out, size_t cap, const uint8_t *orig, size_t len, uint32_t source_be,
			    uint16_t mtu, uint16_t id);

#endif
