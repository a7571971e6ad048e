/*
 * mip_checksum.h - the Internet checksum (RFC 1071).
 *
 * Sums are of 16-bit words in host order, so that a sum can be built from
 * header fields and from bytes alike.  Only the last piece may be odd.
 */
#ifndef MIP_CHECKSUM_H
#define MIP_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mip_bytes.h"

/* Adds len bytes to sum; the result needs mip_checksum_fold(). */
uint64_t mip_checksum_add(uint64_t sum, const uint8_t *data, size_t len);

/* Folds to 16 bits, not complemented: each half takes the other with its carry, and the upper ones are the sum. */
static inline uint16_t mip_checksum_fold(uint64_t sum)
{
	uint32_t half;

	sum += sum << 32 | sum >> 32;
	half = (uint32_t)(sum >> 32);
	half += half << 16 | half >> 16;
	return (uint16_t)(half >> 16);
}

/* The checksum of len bytes: 0 when they hold a correct one. */
uint16_t mip_checksum(const uint8_t *data, size_t len);

/* Whether an IPv4 header of len bytes, 20 to 60, holds its checksum: byte order does not matter here. */
static inline bool mip_checksum_header_ok(const uint8_t *header, size_t len)
{
	uint64_t sum = 0;

#pragma GCC unroll 5
	for (size_t at = 0; at < 20; at += 4)
		sum += mip_load32_be(header + at);
	for (size_t at = 20; at < len; at += 4)
		sum += mip_load32_be(header + at);
	/* Folded it would be 0xffff: a multiple of that, and a header is never all zeros. */
	return sum % 0xffff == 0;
}

/* The checksum after one 16-bit word changes (RFC 1624 equation 3). */
uint16_t mip_checksum_update(uint16_t check, uint16_t before, uint16_t after);

#endif
