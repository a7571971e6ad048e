#include "mip_checksum.h"

#include <string.h>

/*
 * One's complement addition does not care for the order of bytes (RFC 1071
 * 2.B), so words are added as the machine loads them and the folded result is
 * swapped once.  32-bit words in 64-bit sums cannot overflow in a packet.
 */
uint64_t mip_checksum_add(uint64_t sum, const uint8_t *data, size_t len)
{
	uint64_t a = 0, b = 0;
	uint32_t word[8];
	uint16_t half;

	while (len >= sizeof(word)) {
		memcpy(word, data, sizeof(word));
		a += (uint64_t)word[0] + word[1] + word[2] + word[3];
		b += (uint64_t)word[4] + word[5] + word[6] + word[7];
		data += sizeof(word);
		len -= sizeof(word);
	}
	while (len >= sizeof(word[0])) {
		memcpy(word, data, sizeof(word[0]));
		a += word[0];
		data += sizeof(word[0]);
		len -= sizeof(word[0]);
	}
	if (len >= sizeof(half)) {
		memcpy(&half, data, sizeof(half));
		a += half;
		data += sizeof(half);
		len -= sizeof(half);
	}
	if (len) {
		const uint8_t last[2] = { data[0], 0 };

		memcpy(&half, last, sizeof(half));
		b += half;
	}
	return sum + mip_net16(mip_checksum_fold(a + b));
}

uint16_t mip_checksum(const uint8_t *data, size_t len)
{
	return (uint16_t)~mip_checksum_fold(mip_checksum_add(0, data, len));
}

uint16_t mip_checksum_update(uint16_t check, uint16_t before, uint16_t after)
{
	uint64_t sum = (uint64_t)(uint16_t)~check + (uint16_t)~before + after;

	return (uint16_t)~mip_checksum_fold(sum);
}
