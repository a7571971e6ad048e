/* The maximum segment size of TCP SYNs: lowered, never raised, and nothing else touched. */
#include <string.h>

#include "check.h"
#include "mip_bytes.h"
#include "mip_mss.h"

enum { TCP = 20, FLAGS = TCP + 13, CHECK_AT = TCP + 16, OPTIONS = TCP + 20, SYN = 0x02, ACK = 0x10 };

static uint8_t packet[4096], before[4096];
static struct mip_ipv4 ip;

/* The checksum over pseudo-header and segment, by its definition. */
static uint16_t transport_sum(void)
{
	uint8_t sample[12 + sizeof(packet)] = { 0 };
	uint32_t len = (uint32_t)(ip.total - ip.header);

	memcpy(sample, packet + 12, 8);
	sample[9] = MIP_PROTO_TCP;
	mip_store16(sample + 10, (uint16_t)len);
	memcpy(sample + 12, packet + ip.header, len);
	return check_checksum(sample, 12 + len);
}

/* A segment with these options, and payload bytes behind them; its checksum is right. */
static void make(uint8_t flags, const uint8_t *options, uint32_t len, uint32_t payload, uint16_t frag)
{
	struct check_packet c = { .src_be = check_address(203, 0, 113, 9),
				  .dst_be = check_address(198, 51, 100, 7),
				  .frag = frag,
				  .ttl = 9,
				  .protocol = MIP_PROTO_TCP,
				  .payload = 20 + len + payload };
	uint32_t total = check_build(packet, &c);

	packet[TCP + 12] = (uint8_t)((20 + len) / 4 << 4);
	packet[FLAGS] = flags;
	if (len)
		memcpy(packet + OPTIONS, options, len);
	CHECK(mip_ipv4_parse(packet, total, MIP_INNER, &ip) == MIP_OK);
	mip_store16(packet + CHECK_AT, 0);
	mip_store16(packet + CHECK_AT, transport_sum());
	memcpy(before, packet, total);
}

static bool unchanged(void)
{
	return memcmp(packet, before, ip.total) == 0;
}

static void sizes(void)
{
	for (uint32_t mtu = 68; mtu <= 1500; mtu++)
		for (uint32_t odd = 0; odd < 2; odd++) {
			uint16_t said = (uint16_t)(mtu - 42 + check_random() % 5);
			uint8_t options[8] = { 1, 1, 1, 1, 1, 1, 1, 0 };

			options[odd] = 2;
			options[odd + 1] = 4;
			mip_store16(options + odd + 2, said);
			make(check_random() % 2 ? SYN : SYN | ACK, options, 8, check_random() % 3, 0);
			CHECK(mip_mss_clamp(packet, &ip, mtu) == (said > mtu - 40));
			CHECK(mip_load16(packet + OPTIONS + odd + 2) == (said > mtu - 40 ? mtu - 40 : said));
			CHECK(transport_sum() == 0);
			/* All else is as it was. */
			memcpy(packet + OPTIONS + odd + 2, before + OPTIONS + odd + 2, 2);
			memcpy(packet + CHECK_AT, before + CHECK_AT, 2);
			CHECK(unchanged());
		}
}

/* 1460, by a sender that leaves the checksum to its card; and in a first fragment, where only the difference is known. */
static void checksums(void)
{
	static const uint8_t options[4] = { 2, 4, 0x05, 0xb4 };
	uint64_t sum;

	make(SYN, options, 4, 0, 0);
	sum = (uint64_t)mip_load16(packet + 12) + mip_load16(packet + 14) + mip_load16(packet + 16) +
	      mip_load16(packet + 18) + MIP_PROTO_TCP + 24;
	sum = (sum & 0xffff) + (sum >> 16);
	mip_store16(packet + CHECK_AT, (uint16_t)((sum & 0xffff) + (sum >> 16)));
	CHECK(mip_mss_clamp(packet, &ip, 1480) && transport_sum() == 0);

	make(SYN, options, 4, 100, MIP_IPV4_MF);
	CHECK(mip_mss_clamp(packet, &ip, 1480) && transport_sum() == 0);
}

/* What is left alone. */
static void untouched(void)
{
	static const uint8_t said[4] = { 2, 4, 0xff, 0xff }, none[4] = { 1, 1, 1, 1 };
	static const uint8_t ended[8] = { 1, 0, 2, 4, 0xff, 0xff, 0, 0 }, longer[4] = { 2, 3, 0xff, 0 };
	static const uint8_t cut[4] = { 1, 1, 1, 2 }, beyond[4] = { 1, 2, 4, 0xff };
	static const uint8_t zero[8] = { 8, 0, 2, 4, 0xff, 0xff, 0, 0 }, one[8] = { 8, 1, 2, 4, 0xff, 0xff };
	static const uint8_t over[8] = { 8, 9, 2, 4, 0xff, 0xff, 0, 0 };
	static const struct {
		const uint8_t *options;
		uint8_t len, flags;
		uint16_t frag;
	} cases[] = {
		{ said, 4, ACK, 0 },  { said, 4, SYN, 1 },   { none, 0, SYN, 0 }, { none, 4, SYN, 0 },
		{ ended, 8, SYN, 0 }, { longer, 4, SYN, 0 }, { cut, 4, SYN, 0 },  { beyond, 4, SYN, 0 },
		{ zero, 8, SYN, 0 },  { one, 8, SYN, 0 },    { over, 8, SYN, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make(cases[i].flags, cases[i].options, cases[i].len, 8, cases[i].frag);
		CHECK(!mip_mss_clamp(packet, &ip, 1480) && unchanged());
	}
	/* A header that is said to be longer than the packet, or shorter than it can be; no whole header. */
	make(SYN, said, 4, 0, 0);
	packet[TCP + 12] = before[TCP + 12] = 7 << 4;
	CHECK(!mip_mss_clamp(packet, &ip, 1480) && unchanged());
	packet[TCP + 12] = before[TCP + 12] = 4 << 4;
	CHECK(!mip_mss_clamp(packet, &ip, 1480) && unchanged());
	packet[TCP + 12] = before[TCP + 12] = 6 << 4;
	ip.total = 39;
	CHECK(!mip_mss_clamp(packet, &ip, 1480) && unchanged());
	ip.total = 44;
	ip.protocol = MIP_PROTO_UDP;
	CHECK(!mip_mss_clamp(packet, &ip, 1480) && unchanged());
	ip.protocol = MIP_PROTO_TCP;
	CHECK(!mip_mss_clamp(packet, &ip, 40) && unchanged());
	CHECK(mip_mss_clamp(packet, &ip, 41) && mip_load16(packet + OPTIONS + 2) == 1);
}

int main(void)
{
	check_seed();
	sizes();
	checksums();
	untouched();
	return 0;
}
