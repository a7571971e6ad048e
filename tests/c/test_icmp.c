/* Fragmentation needed: the message, how much it quotes, and when there must be none. */
#include <string.h>

#include "check.h"
#include "mip_icmp.h"

enum { POISON = 0xa5 };

static uint8_t packet[2000], out[MIP_ICMP_MAX + 32];

static struct check_packet plain(void)
{
	return (struct check_packet){
		.src_be = check_address(203, 0, 113, 9),
		.dst_be = check_address(198, 51, 100, 7),
		.frag = MIP_IPV4_DF,
		.ttl = 9,
		.protocol = MIP_PROTO_UDP,
		.payload = 1480,
	};
}

static size_t make(const struct check_packet *c)
{
	uint32_t len = check_build(packet, c);

	memset(out, POISON, sizeof(out));
	return mip_icmp_frag_needed(out, MIP_ICMP_MAX, packet, len, check_address(192, 0, 2, 1), 1380, 77);
}

static void message(void)
{
	struct check_packet c = plain();
	const uint32_t source_be = check_address(192, 0, 2, 1);

	c.tos = 0xff;
	CHECK(make(&c) == MIP_ICMP_MAX && out[MIP_ICMP_MAX] == POISON);
	/* Precedence 6 and the ToS bits of the cause, not its ECN field. */
	CHECK(out[0] == 0x45 && out[1] == 0xdc);
	CHECK((out[2] << 8 | out[3]) == MIP_ICMP_MAX && out[5] == 77 && out[6] == 0 && out[7] == 0);
	CHECK(out[8] == 64 && out[9] == 1 && check_checksum(out, 20) == 0);
	CHECK(memcmp(out + 12, &source_be, 4) == 0 && memcmp(out + 16, &c.src_be, 4) == 0);
	CHECK(out[20] == 3 && out[21] == 4 && out[24] == 0 && out[25] == 0);
	CHECK((out[26] << 8 | out[27]) == 1380);
	CHECK(check_checksum(out + 20, MIP_ICMP_MAX - 20) == 0);
	CHECK(memcmp(out + 28, packet, MIP_ICMP_MAX - 28) == 0);

	c.payload = 50;
	CHECK(make(&c) == 28 + 70 && out[98] == POISON);
	CHECK(check_checksum(out + 20, 78) == 0);
	CHECK(mip_icmp_frag_needed(out, 97, packet, 70, source_be, 1380, 77) == 0);

	CHECK(mip_icmp_unreachable(out, MIP_ICMP_MAX, packet, 70, source_be, 1, 0, 77) == 28 + 70);
	CHECK(out[20] == 3 && out[21] == 1 && (out[26] | out[27]) == 0);
	CHECK(check_checksum(out + 20, 78) == 0);
}

static void forbidden(void)
{
	static const uint8_t sources[][4] = {
		{ 0, 1, 2, 3 }, { 127, 0, 0, 1 }, { 224, 0, 0, 1 }, { 240, 0, 0, 1 }, { 255, 255, 255, 255 }
	};
	struct check_packet c;
	uint32_t len;

	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		c = plain();
		memcpy(&c.src_be, sources[i], 4);
		CHECK(make(&c) == 0);
	}
	c = plain();
	c.dst_be = check_address(224, 0, 0, 5);
	CHECK(make(&c) == 0);
	c.dst_be = check_address(255, 255, 255, 255);
	CHECK(make(&c) == 0);
	c = plain();
	c.frag = MIP_IPV4_DF | 1;
	CHECK(make(&c) == 0);
	c.frag = MIP_IPV4_DF | MIP_IPV4_MF; /* the first fragment may */
	CHECK(make(&c) != 0);

	for (unsigned type = 0; type < 256; type++) {
		bool error = type == 3 || type == 4 || type == 5 || type == 11 || type == 12;

		c = plain();
		c.protocol = MIP_PROTO_ICMP;
		len = check_build(packet, &c);
		packet[20] = (uint8_t)type;
		CHECK((mip_icmp_frag_needed(out, sizeof(out), packet, len, 1, 1380, 1) == 0) == error);
	}
	c.payload = 0;
	CHECK(make(&c) == 0);
	c = plain();
	len = check_build(packet, &c);
	packet[8] ^= 1;
	CHECK(mip_icmp_frag_needed(out, sizeof(out), packet, len, 1, 1380, 1) == 0);
	CHECK(mip_icmp_frag_needed(out, sizeof(out), packet, 19, 1, 1380, 1) == 0);
}

int main(void)
{
	message();
	forbidden();
	return 0;
}
