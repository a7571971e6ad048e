/* Fragments, put together again by a naive reassembly. */
#include <string.h>

#include "check.h"
#include "mip_frag.h"

enum { POISON = 0xa5 };

static uint8_t packet[MIP_PACKET_MAX], out[MIP_PACKET_MAX + 64], joined[MIP_PACKET_MAX];

static struct check_packet plain(uint32_t payload)
{
	return (struct check_packet){
		.src_be = check_address(203, 0, 113, 9),
		.dst_be = check_address(198, 51, 100, 7),
		.id = 0xbeef,
		.tos = 0x2e,
		.ttl = 9,
		.protocol = MIP_PROTO_UDP,
		.payload = payload,
	};
}

/* Checks every rule on each fragment and that the payload comes back whole; returns their number. */
static unsigned fragment(const struct check_packet *c, uint32_t mtu)
{
	uint32_t len = check_build(packet, c), header = 20u + c->option_len, next = 0;
	struct mip_frag f;
	unsigned count = 0;
	size_t size;
	bool last = false;

	CHECK(mip_frag_begin(&f, packet, len, mtu));
	for (;;) {
		struct mip_ipv4 ip;
		uint32_t at, bytes;

		memset(out, POISON, sizeof(out));
		size = mip_frag_next(&f, out, mtu);
		if (!size)
			break;
		CHECK(!last && size <= mtu && out[size] == POISON);
		CHECK(mip_ipv4_parse(out, size, MIP_INNER, &ip) == MIP_OK && ip.total == size);
		CHECK(ip.id == c->id && ip.tos == c->tos && ip.ttl == c->ttl && ip.protocol == c->protocol);
		CHECK(ip.src_be == c->src_be && ip.dst_be == c->dst_be && !(ip.frag & MIP_IPV4_DF));
		if (count == 0)
			CHECK(ip.header == header && memcmp(out + 20, packet + 20, c->option_len) == 0);
		bytes = (uint32_t)(ip.total - ip.header);
		at = ((uint32_t)(ip.frag & MIP_IPV4_OFFSET) - (c->frag & MIP_IPV4_OFFSET)) * 8;
		CHECK(at == next);
		memcpy(joined + at, out + ip.header, bytes);
		next = at + bytes;
		last = next == c->payload;
		CHECK(((ip.frag & MIP_IPV4_MF) != 0) == (!last || (c->frag & MIP_IPV4_MF)));
		if (!last)
			CHECK(bytes % 8 == 0 && size + 8 > mtu);
		count++;
	}
	CHECK(next == c->payload && memcmp(joined, packet + header, next) == 0);
	return count;
}

static void sizes(void)
{
	struct check_packet c = plain(1461);

	CHECK(fragment(&c, 1480) == 2);
	c = plain(1460);
	CHECK(fragment(&c, 1480) == 1);
	c = plain(MIP_PACKET_MAX - 20);
	CHECK(fragment(&c, 68) == (MIP_PACKET_MAX - 20 + 47) / 48);
	CHECK(fragment(&c, 28) == (MIP_PACKET_MAX - 20 + 7) / 8);
	for (int round = 0; round < 3000; round++) {
		c = plain(1 + check_random() % 5000);
		fragment(&c, 28 + check_random() % 1500);
	}
}

static void of_a_fragment(void)
{
	struct check_packet c = plain(1600);

	c.frag = MIP_IPV4_MF | 10;
	CHECK(fragment(&c, 600) == 3);
	c.frag = 10;
	CHECK(fragment(&c, 600) == 3);
}

/* RFC 791 3.1: an option with the copied flag is in every fragment, others only in the first. */
static void options(void)
{
	static const uint8_t mixed[12] = { 7, 3, 4, 0x94, 4, 1, 2, 1, 0x82, 3, 9, 0 };
	static const uint8_t copied[8] = { 0x94, 4, 1, 2, 0x82, 3, 9, 0 };
	static const uint8_t bad[4] = { 0x94, 5, 0, 0 }, cut[4] = { 1, 1, 1, 0x94 }, zero[4] = { 7, 0, 0, 0 };
	const uint8_t *malformed[] = { bad, cut, zero };
	struct check_packet c = plain(300);
	struct mip_frag f;

	c.options = mixed;
	c.option_len = sizeof(mixed);
	fragment(&c, 132);
	CHECK(mip_frag_begin(&f, packet, check_build(packet, &c), 132));
	CHECK(mip_frag_next(&f, out, sizeof(out)) == 128);
	CHECK(mip_frag_next(&f, out, sizeof(out)) == 132);
	CHECK((out[0] & 15) == 7 && memcmp(out + 20, copied, sizeof(copied)) == 0);
	for (size_t i = 0; i < 3; i++) {
		c.options = malformed[i];
		c.option_len = 4;
		CHECK(!mip_frag_begin(&f, packet, check_build(packet, &c), 132));
	}
}

static void refusals(void)
{
	struct check_packet c = plain(100);
	struct mip_frag f;
	uint32_t len;

	c.frag = MIP_IPV4_DF;
	CHECK(!mip_frag_begin(&f, packet, check_build(packet, &c), 68));
	c.frag = 0;
	/* What would reach beyond the longest datagram. */
	c.frag = (MIP_PACKET_MAX - 120) / 8;
	CHECK(mip_frag_begin(&f, packet, check_build(packet, &c), 68));
	c.frag++;
	CHECK(!mip_frag_begin(&f, packet, check_build(packet, &c), 68));
	c.frag = MIP_IPV4_OFFSET | MIP_IPV4_MF;
	CHECK(!mip_frag_begin(&f, packet, check_build(packet, &c), 68));
	c.frag = 0;
	len = check_build(packet, &c);
	CHECK(!mip_frag_begin(&f, packet, len, 27));
	CHECK(!mip_frag_begin(&f, packet, len - 1, 68));
	CHECK(mip_frag_begin(&f, packet, len, 68));
	CHECK(mip_frag_next(&f, out, 67) == 0);
	CHECK(mip_frag_next(&f, out, 68) == 68);
}

int main(void)
{
	check_seed();
	sizes();
	of_a_fragment();
	options();
	refusals();
	return 0;
}
