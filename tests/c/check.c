#include "check.h"

#include <string.h>
#include <time.h>

static uint64_t seed, state;

void check_failed(const char *file, int line, const char *condition)
{
	fprintf(stderr, "%s:%d: %s\nMIP_SEED=%llu repeats this\n", file, line, condition,
		(unsigned long long)seed);
	exit(1);
}

void check_seed(void)
{
	const char *given = getenv("MIP_SEED");

	seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
	state = seed * 2 + 1;
}

uint32_t check_random(void)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 32);
}

uint32_t check_address(unsigned a, unsigned b, unsigned c, unsigned d)
{
	const uint8_t bytes[4] = { (uint8_t)a, (uint8_t)b, (uint8_t)c, (uint8_t)d };
	uint32_t address_be;

	memcpy(&address_be, bytes, sizeof(address_be));
	return address_be;
}

uint16_t check_checksum(const uint8_t *data, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++) {
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)~sum;
}

uint32_t check_build(uint8_t *out, const struct check_packet *p)
{
	uint32_t header = 20u + p->option_len, total = header + p->payload;
	uint16_t check;

	memset(out, 0, header);
	out[0] = (uint8_t)(0x40 | header / 4);
	out[1] = p->tos;
	out[2] = (uint8_t)(total >> 8);
	out[3] = (uint8_t)total;
	out[4] = (uint8_t)(p->id >> 8);
	out[5] = (uint8_t)p->id;
	out[6] = (uint8_t)(p->frag >> 8);
	out[7] = (uint8_t)p->frag;
	out[8] = p->ttl;
	out[9] = p->protocol;
	memcpy(out + 12, &p->src_be, 4);
	memcpy(out + 16, &p->dst_be, 4);
	if (p->option_len)
		memcpy(out + 20, p->options, p->option_len);
	check = check_checksum(out, header);
	out[10] = (uint8_t)(check >> 8);
	out[11] = (uint8_t)check;
	for (uint32_t i = 0; i < p->payload; i++)
		out[header + i] = (uint8_t)(i * 7 + 3);
	return total;
}
