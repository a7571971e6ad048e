/* The checksum against its definition, whole and in pieces, at every alignment. */
#include <string.h>

#include "check.h"
#include "mip_checksum.h"

static uint8_t data[4096 + 16];

static void known_answers(void)
{
	/* RFC 1071 section 3. */
	const uint8_t example[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

	CHECK(mip_checksum(example, sizeof(example)) == 0xffff - 0xddf2);
	CHECK(mip_checksum(example, 0) == 0xffff);
	memset(data, 0xff, sizeof(data));
	CHECK(mip_checksum(data, 4096) == 0);
}

static void against_naive(void)
{
	for (int round = 0; round < 10000; round++) {
		size_t len = check_random() % 1600, at = check_random() % 16;
		size_t cut = (len ? check_random() % len : 0) & ~(size_t)1;
		uint64_t sum;
		uint16_t joined;

		for (size_t i = 0; i < len; i++)
			data[at + i] = (uint8_t)check_random();
		CHECK(mip_checksum(data + at, len) == check_checksum(data + at, len));
		sum = mip_checksum_add(0, data + at, cut);
		sum = mip_checksum_add(sum, data + at + cut, len - cut);
		joined = (uint16_t)~mip_checksum_fold(sum);
		CHECK(joined == check_checksum(data + at, len));
	}
}

static void longest(void)
{
	static uint8_t packet[MIP_PACKET_MAX];

	memset(packet, 0xfe, sizeof(packet));
	CHECK(mip_checksum(packet, sizeof(packet)) == check_checksum(packet, sizeof(packet)));
}

static void update_equals_recomputation(void)
{
	uint8_t header[20];

	for (int round = 0; round < 100000; round++) {
		uint16_t before, after, check;
		size_t at = 2 * (check_random() % 5);

		for (size_t i = 0; i < sizeof(header); i++)
			header[i] = (uint8_t)check_random();
		header[10] = header[11] = 0;
		check = check_checksum(header, sizeof(header));
		before = (uint16_t)(header[at] << 8 | header[at + 1]);
		after = (uint16_t)check_random();
		header[at] = (uint8_t)(after >> 8);
		header[at + 1] = (uint8_t)after;
		CHECK(mip_checksum_update(check, before, after) == check_checksum(header, sizeof(header)));
	}
}

int main(void)
{
	check_seed();
	known_answers();
	against_naive();
	longest();
	update_equals_recomputation();
	return 0;
}
