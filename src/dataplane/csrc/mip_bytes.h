/* mip_bytes.h - unaligned loads and stores.  Names ending in _be keep network order. */
#ifndef MIP_BYTES_H
#define MIP_BYTES_H

#include <stdint.h>
#include <string.h>

/* Host to network order, and back. */
static inline uint16_t mip_net16(uint16_t value)
{
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_bswap16(value) : value;
}

static inline uint16_t mip_load16(const uint8_t *p)
{
	uint16_t value;

	memcpy(&value, p, sizeof(value));
	return mip_net16(value);
}

static inline uint32_t mip_load32(const uint8_t *p)
{
	return (uint32_t)mip_load16(p) << 16 | mip_load16(p + 2);
}

static inline uint32_t mip_load32_be(const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

static inline void mip_store16_be(uint8_t *p, uint16_t value_be)
{
	memcpy(p, &value_be, sizeof(value_be));
}

/* Returns what it stored. */
static inline uint16_t mip_store16(uint8_t *p, uint16_t value)
{
	mip_store16_be(p, mip_net16(value));
	return mip_net16(value);
}

static inline void mip_store32_be(uint8_t *p, uint32_t value_be)
{
	memcpy(p, &value_be, sizeof(value_be));
}

/* Network to host order of a 32-bit value, without <arpa/inet.h>. */
static inline uint32_t mip_host32(uint32_t value_be)
{
	uint8_t b[4];

	memcpy(b, &value_be, sizeof(b));
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

#endif
