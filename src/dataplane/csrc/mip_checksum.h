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
#include <string.h>

/* Adds len bytes to sum; the result needs mip_checksum_fold(). */
uint64_t mip_checksum_add(uint64_t sum, const uint8_t *data, size_t len);

/* Folds to 16 bits, not complemented. */
static inline uint16_t mip_checksum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* The same for a sum of less than 65536 words. */
static inline uint16_t mip_checksum_fold_short(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* The checksum of len bytes: 0 when they hold a correct one. */
uint16_t mip_checksum(const uint8_t *data, size_t len);

/* Whether an IPv4 header of len bytes, 20 to 60, holds its checksum: byte order does not matter here. */
static inline bool mip_checksum_header_ok(const uint8_t *header, size_t len)
{
	uint32_t word[5];
	uint64_t sum;

	memcpy(word, header, sizeof(word));
	sum = (uint64_t)word[0] + word[1] + word[2] + word[3] + word[4];
	for (size_t at = sizeof(word); at < len; at += sizeof(word[0])) {
		memcpy(word, header + at, sizeof(word[0]));
		sum += word[0];
	}
	/* Folded it would be 0xffff: a multiple of that, and a header is never all zeros. */
	return sum % 0xffff == 0;
}

/* The checksum after one 16-bit word changes (RFC 1624 equation 3). */
uint16_t mip_checksum_update(uint16_t check, uint16_t before, uint16_t after);

#endif
