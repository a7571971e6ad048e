/* check.h - assertions, seeded randomness and hand-made packets for the C tests. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>

#include "mip_ipv4.h"
#include "mip_tunnel.h"

#define CHECK(condition)                                              \
	do {                                                          \
		if (!(condition))                                     \
			check_failed(__FILE__, __LINE__, #condition); \
	} while (0)

/* Prints where, and the seed, and ends the program. */
void check_failed(const char *file, int line, const char *condition);

/* The seed is MIP_SEED from the environment, or the time. */
void check_seed(void);
uint32_t check_random(void);

/* An address from dotted numbers, in network order. */
uint32_t check_address(unsigned a, unsigned b, unsigned c, unsigned d);

/* What a test varies of a packet; the rest is plain. */
struct check_packet {
	uint32_t src_be, dst_be;
	uint16_t id, frag;
	uint8_t tos, ttl, protocol;
	const uint8_t *options; /* option_len bytes, a multiple of 4 */
	uint8_t option_len;
	uint32_t payload; /* bytes, filled with a pattern */
};

/* Written byte by byte, with the naive checksum; returns the total length. */
uint32_t check_build(uint8_t *out, const struct check_packet *p);

/* RFC 1071 by its definition, one byte pair at a time. */
uint16_t check_checksum(const uint8_t *data, size_t len);

#endif
