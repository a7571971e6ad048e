/* Encapsulation and decapsulation: every header field, every refusal, no byte beyond. */
#include <string.h>

#include "check.h"
#include "mip_checksum.h"
#include "mip_ecn.h"
#include "mip_encap.h"

enum { ROOM = MIP_HEADROOM, POISON = 0xa5 };

static uint8_t buffer[ROOM + MIP_PACKET_MAX + 64], before[sizeof(buffer)];

static struct mip_tunnel tunnel(void)
{
	struct mip_tunnel t = {
		.home_be = check_address(198, 51, 100, 7),
		.local_be = check_address(192, 0, 2, 1),
		.remote_be = check_address(192, 0, 2, 2),
		.mtu = 1480,
		.side = MIP_HOME,
		.encap = MIP_ENCAP_IPIP,
	};

	CHECK(mip_tunnel_prepare(&t));
	return t;
}

static struct check_packet plain(void)
{
	return (struct check_packet){
		.src_be = check_address(203, 0, 113, 9),
		.dst_be = check_address(198, 51, 100, 7),
		.id = 0x1234,
		.ttl = 17,
		.protocol = MIP_PROTO_UDP,
		.payload = 100,
	};
}

static enum mip_drop encapsulate(const struct check_packet *c, const struct mip_tunnel *t, uint16_t id,
				 struct mip_packet *p)
{
	struct mip_ipv4 inner;
	enum mip_drop drop;

	memset(buffer, POISON, sizeof(buffer));
	*p = (struct mip_packet){ .data = buffer + ROOM, .headroom = ROOM };
	p->len = check_build(p->data, c);
	memcpy(before, buffer, sizeof(buffer));
	drop = mip_ipv4_parse(p->data, p->len, MIP_INNER, &inner);
	return drop ? drop : mip_encapsulate(p, &inner, t, id);
}

static void check_unchanged(const struct mip_packet *p, uint32_t len)
{
	CHECK(memcmp(before, buffer, sizeof(buffer)) == 0);
	CHECK(p->data == buffer + ROOM && p->len == len && p->headroom == ROOM);
}

/* RFC 2003 3.1, field by field, for one packet. */
static void check_outer(const struct mip_packet *p, const struct check_packet *c, uint16_t id, uint8_t tos)
{
	const uint8_t *o = p->data;
	uint32_t inner_len = 20u + c->option_len + c->payload;
	const uint32_t local_be = check_address(192, 0, 2, 1), remote_be = check_address(192, 0, 2, 2);

	CHECK(p->data == buffer + ROOM - 20 && p->len == inner_len + 20 && p->headroom == ROOM - 20);
	CHECK(o[0] == 0x45 && o[1] == tos);
	CHECK((uint32_t)(o[2] << 8 | o[3]) == inner_len + 20);
	CHECK((o[4] << 8 | o[5]) == id);
	CHECK((o[6] << 8 | o[7]) == (c->frag & 0x4000));
	CHECK(o[8] == 64 && o[9] == 4);
	CHECK(check_checksum(o, 20) == 0);
	CHECK(memcmp(o + 12, &local_be, 4) == 0 && memcmp(o + 16, &remote_be, 4) == 0);
	/* The inner packet, what lies before the header, and what lies after the packet: untouched. */
	CHECK(memcmp(before + ROOM, buffer + ROOM, sizeof(buffer) - ROOM) == 0);
	CHECK(memcmp(before, buffer, ROOM - 20) == 0);
}

static void outer_header(void)
{
	static const uint16_t frags[] = { 0, 0x4000, 0x2000, 0x2010, 0x0010, 0x6000 };
	static const uint8_t options[] = { 0x94, 4, 0, 0 };
	struct mip_tunnel t = tunnel(), compatible = tunnel();
	struct mip_packet p;

	compatible.flags |= MIP_F_ECN_COMPAT;
	for (unsigned tos = 0; tos < 256; tos++) {
		for (size_t f = 0; f < sizeof(frags) / sizeof(frags[0]); f++) {
			struct check_packet c = plain();
			uint16_t id = (uint16_t)check_random();

			c.tos = (uint8_t)tos;
			c.frag = frags[f];
			if (tos % 2) {
				c.options = options;
				c.option_len = sizeof(options);
			}
			CHECK(encapsulate(&c, &t, id, &p) == MIP_OK);
			check_outer(&p, &c, id, (uint8_t)tos);
			CHECK(encapsulate(&c, &compatible, id, &p) == MIP_OK);
			check_outer(&p, &c, id, (uint8_t)(tos & 0xfc));
		}
	}
}

static void sizes(void)
{
	struct mip_tunnel t = tunnel();
	struct check_packet c = plain();
	struct mip_packet p;

	for (unsigned df = 0; df < 2; df++) {
		c.frag = df ? MIP_IPV4_DF : 0;
		c.payload = 1460;
		CHECK(encapsulate(&c, &t, 1, &p) == MIP_OK && p.len == 1500);
		c.payload = 1461;
		CHECK(encapsulate(&c, &t, 1, &p) == (df ? MIP_DROP_TOO_BIG : MIP_DROP_NEEDS_FRAGMENTATION));
		check_unchanged(&p, 1481);
	}
	c.frag = 0;
	t.mtu = MIP_PACKET_MAX - 20;
	c.payload = MIP_PACKET_MAX - 40;
	CHECK(encapsulate(&c, &t, 1, &p) == MIP_OK && p.len == MIP_PACKET_MAX);
	/* Even with an MTU nobody prepared, no total length may wrap. */
	t.mtu = MIP_PACKET_MAX;
	c.payload++;
	CHECK(encapsulate(&c, &t, 1, &p) == MIP_DROP_NEEDS_FRAGMENTATION);
	c.payload = 0;
	CHECK(encapsulate(&c, &t, 1, &p) == MIP_OK && p.len == 40);
}

/* A super-packet as it is: its segments have to fit, and the whole into an outer header's length. */
static void whole(void)
{
	const struct mip_tunnel t = tunnel();
	struct check_packet c = plain();
	struct mip_super super = { .count = 30, .headers = 52 };
	struct mip_ipv4 ip;

	super.size = (uint16_t)(t.mtu - super.headers);
	for (uint32_t total = 40000; total <= MIP_PACKET_MAX; total += MIP_PACKET_MAX - 40000) {
		uint32_t len = check_build(buffer + ROOM, &(struct check_packet){ .src_be = c.src_be,
										  .dst_be = c.dst_be,
										  .ttl = c.ttl,
										  .frag = MIP_IPV4_DF,
										  .protocol = MIP_PROTO_TCP,
										  .payload = total - 20 });
		struct mip_packet p = { .data = buffer + ROOM, .len = len, .headroom = ROOM };

		CHECK(mip_ipv4_parse(p.data, p.len, MIP_INNER, &ip) == MIP_OK);
		super.size++;
		CHECK(mip_encapsulate_whole(&p, &ip, &super, &t, 9) == MIP_DROP_TOO_BIG && p.len == len);
		super.size--;
		if (total + 20 > MIP_PACKET_MAX) {
			CHECK(mip_encapsulate_whole(&p, &ip, &super, &t, 9) == MIP_DROP_TOO_BIG);
			continue;
		}
		CHECK(mip_encapsulate_whole(&p, &ip, &super, &t, 9) == MIP_OK);
		CHECK(p.len == total + 20 && mip_ipv4_parse(p.data, p.len, MIP_OUTER, &ip) == MIP_OK);
		CHECK(ip.total == p.len && ip.id == 9 && ip.protocol == MIP_ENCAP_IPIP);
	}
}

static void padding_is_not_sent(void)
{
	struct mip_tunnel t = tunnel();
	struct check_packet c = plain();
	struct mip_packet p = { .data = buffer + ROOM, .len = 0, .headroom = ROOM };
	struct mip_ipv4 inner;

	p.len = check_build(p.data, &c) + 30;
	CHECK(mip_ipv4_parse(p.data, p.len, MIP_INNER, &inner) == MIP_OK);
	CHECK(mip_encapsulate(&p, &inner, &t, 1) == MIP_OK);
	CHECK(p.len == 20 + 20 + c.payload);
}

static void refusals(void)
{
	struct mip_tunnel t = tunnel();
	struct check_packet c = plain();
	struct mip_packet p;
	struct mip_ipv4 inner;

	c.ttl = 0;
	CHECK(encapsulate(&c, &t, 1, &p) == MIP_DROP_INNER_TTL);
	check_unchanged(&p, 120);
	c = plain();
	c.src_be = t.remote_be;
	CHECK(encapsulate(&c, &t, 1, &p) == MIP_DROP_LOOP_SOURCE_IS_EXIT);
	c = plain();
	c.src_be = t.local_be;
	CHECK(encapsulate(&c, &t, 1, &p) == MIP_OK); /* made on this host */
	c.protocol = MIP_PROTO_IPIP;
	CHECK(encapsulate(&c, &t, 1, &p) == MIP_DROP_LOOP_OWN_TUNNEL);
	check_unchanged(&p, 120);

	c = plain();
	p = (struct mip_packet){ .data = buffer + ROOM,
				 .len = check_build(buffer + ROOM, &c),
				 .headroom = 19 };
	CHECK(mip_ipv4_parse(p.data, p.len, MIP_INNER, &inner) == MIP_OK);
	CHECK(mip_encapsulate(&p, &inner, &t, 1) == MIP_DROP_NO_HEADROOM);
	t.encap = 48;
	CHECK(mip_encapsulate(&p, &inner, &t, 1) == MIP_DROP_UNSUPPORTED);
}

static void impossible_tunnels(void)
{
	struct mip_tunnel t;

#define REFUSED(field, value) \
	t = tunnel();         \
	t.field = value;      \
	CHECK(!mip_tunnel_prepare(&t))
	REFUSED(home_be, 0);
	REFUSED(local_be, 0);
	REFUSED(remote_be, 0);
	REFUSED(remote_be, t.local_be);
	REFUSED(remote_be, t.home_be);
	REFUSED(local_be, t.home_be);
	REFUSED(mtu, 67);
	REFUSED(mtu, 65516);
	REFUSED(side, MIP_SIDES);
	REFUSED(encap, 48);
	REFUSED(flags, MIP_F_SHARED);
	REFUSED(flags, MIP_F_DELIVERY);
	REFUSED(flags, MIP_F_NESTED); /* nothing to nest without MIP_F_BROADCAST */
	t = tunnel();
	t.mtu = 68;
	CHECK(mip_tunnel_prepare(&t));
	t.mtu = 65515;
	CHECK(mip_tunnel_prepare(&t));
}

/* An outer datagram with inner inside, by hand. */
static uint32_t wrap(uint8_t *out, struct check_packet outer, const struct check_packet *inner)
{
	uint32_t header = 20u + outer.option_len;
	uint32_t len = check_build(out + header, inner);

	outer.payload = len;
	check_build(out, &outer);
	check_build(out + header, inner);
	return header + len;
}

static struct check_packet outer_plain(void)
{
	return (struct check_packet){
		.src_be = check_address(192, 0, 2, 1),
		.dst_be = check_address(192, 0, 2, 2),
		.ttl = 60,
		.protocol = MIP_PROTO_IPIP,
	};
}

static void decapsulation(void)
{
	static const uint8_t options[] = { 1, 1, 1, 0 };
	struct mip_decap d;

	for (unsigned combination = 0; combination < 256; combination++) {
		struct check_packet o = outer_plain(), i = plain();
		struct mip_ecn ecn;
		struct mip_packet p = { .data = buffer + ROOM, .len = 0, .headroom = ROOM };
		uint8_t *inner;

		o.tos = (uint8_t)(0xb8 | (combination & 3));
		i.tos = (uint8_t)(0x20 | (combination >> 2 & 3));
		i.frag = combination & 0x10 ? MIP_IPV4_DF : MIP_IPV4_MF | 3;
		o.frag = combination & 0x20 ? MIP_IPV4_DF : 0;
		if (combination & 0x40) {
			o.options = options;
			o.option_len = sizeof(options);
		}
		memset(buffer, POISON, sizeof(buffer));
		p.len = wrap(p.data, o, &i);
		if (combination & 0x80)
			p.len += 18; /* padding of a short Ethernet frame */
		inner = p.data + 20 + o.option_len;
		memcpy(before, buffer, sizeof(buffer));
		ecn = mip_ecn_egress(i.tos, o.tos);
		if (ecn.drop) {
			CHECK(mip_decapsulate(&p, MIP_ENCAP_IPIP, &d) == MIP_DROP_ECN_CONGESTION);
			CHECK(memcmp(before, buffer, sizeof(buffer)) == 0 && p.data == buffer + ROOM);
			continue;
		}
		CHECK(mip_decapsulate(&p, MIP_ENCAP_IPIP, &d) == MIP_OK);
		CHECK(p.data == inner && p.len == 120 && p.headroom == ROOM + 20u + o.option_len);
		CHECK(d.ecn_unused == ecn.unused);
		/* Only the two ECN bits and the checksum differ; DSCP, TTL, id, DF stay (RFC 2003 3.1). */
		CHECK(p.data[1] == ((i.tos & 0xfc) | ecn.ecn) && d.inner.tos == p.data[1]);
		CHECK(check_checksum(p.data, 20) == 0);
		p.data[1] = i.tos;
		p.data[10] = before[p.data - buffer + 10];
		p.data[11] = before[p.data - buffer + 11];
		CHECK(memcmp(before, buffer, sizeof(buffer)) == 0);
		CHECK(d.outer.src_be == o.src_be && d.inner.dst_be == i.dst_be && d.inner.ttl == 17);
	}
}

static enum mip_drop decapsulate_bytes(const uint8_t *bytes, uint32_t len)
{
	struct mip_packet p = { .data = buffer + ROOM, .len = len, .headroom = ROOM };
	struct mip_decap d;
	enum mip_drop drop;

	memcpy(p.data, bytes, len);
	drop = mip_decapsulate(&p, MIP_ENCAP_IPIP, &d);
	if (drop)
		CHECK(memcmp(buffer + ROOM, bytes, len) == 0 && p.data == buffer + ROOM && p.len == len);
	return drop;
}

static void fix(uint8_t *header)
{
	uint16_t check;

	header[10] = header[11] = 0;
	check = check_checksum(header, (size_t)(header[0] & 15) * 4);
	header[10] = (uint8_t)(check >> 8);
	header[11] = (uint8_t)check;
}

static void malformed(void)
{
	uint8_t good[200], bad[200];
	struct check_packet o = outer_plain(), i = plain();
	uint32_t len = wrap(good, o, &i);

#define CHANGED(at, value, header, reason)                    \
	do {                                                  \
		memcpy(bad, good, len);                       \
		bad[at] = value;                              \
		if (header >= 0)                              \
			fix(bad + header);                    \
		CHECK(decapsulate_bytes(bad, len) == reason); \
	} while (0)
	CHECK(decapsulate_bytes(good, len) == MIP_OK);
	CHANGED(0, 0x65, -1, MIP_DROP_OUTER_NOT_IPV4);
	CHANGED(0, 0x44, -1, MIP_DROP_OUTER_HEADER);
	CHANGED(3, 10, 0, MIP_DROP_OUTER_HEADER);
	CHANGED(3, (uint8_t)(len + 1), 0, MIP_DROP_OUTER_TRUNCATED);
	CHANGED(8, 1, -1, MIP_DROP_OUTER_CHECKSUM);
	CHANGED(9, MIP_PROTO_UDP, 0, MIP_DROP_OUTER_PROTOCOL);
	CHANGED(6, 0x20, 0, MIP_DROP_OUTER_FRAGMENT);
	CHANGED(7, 0x01, 0, MIP_DROP_OUTER_FRAGMENT);
	CHANGED(3, 20, 0, MIP_DROP_INNER_TRUNCATED);
	CHANGED(3, 39, 0, MIP_DROP_INNER_TRUNCATED);
	CHANGED(3, 60, 0, MIP_DROP_INNER_TRUNCATED);
	CHANGED(20, 0x65, -1, MIP_DROP_INNER_NOT_IPV4);
	CHANGED(20, 0x43, -1, MIP_DROP_INNER_HEADER);
	CHANGED(23, 19, 20, MIP_DROP_INNER_HEADER);
	CHANGED(23, 121, 20, MIP_DROP_INNER_TRUNCATED);
	CHANGED(20, 0x4f, -1, MIP_DROP_INNER_CHECKSUM);
	CHANGED(30, 0xff, -1, MIP_DROP_INNER_CHECKSUM);
	CHANGED(28, 0, 20, MIP_DROP_INNER_TTL);
	/* Cut at every length. */
	for (uint32_t cut = 0; cut < len; cut++)
		CHECK(decapsulate_bytes(good, cut) == MIP_DROP_OUTER_TRUNCATED);

	memcpy(bad, good, len);
	bad[9] = 48;
	fix(bad);
	struct mip_packet p = { .data = bad, .len = len, .headroom = 0 };
	struct mip_decap d;
	CHECK(mip_decapsulate(&p, (enum mip_encap)48, &d) == MIP_DROP_UNSUPPORTED);
}

static void round_trip(void)
{
	struct mip_tunnel t = tunnel();

	for (int round = 0; round < 20000; round++) {
		struct check_packet c = plain();
		struct mip_packet p;
		struct mip_decap d;

		c.payload = check_random() % 1461;
		c.tos = (uint8_t)check_random();
		c.ttl = (uint8_t)(1 + check_random() % 255);
		c.frag = (uint16_t)check_random();
		CHECK(encapsulate(&c, &t, (uint16_t)check_random(), &p) == MIP_OK);
		CHECK(mip_decapsulate(&p, MIP_ENCAP_IPIP, &d) == MIP_OK);
		CHECK(p.data == buffer + ROOM && p.len == 20 + c.payload && p.headroom == ROOM);
		CHECK(memcmp(p.data, before + ROOM, p.len) == 0);
		CHECK(!d.ecn_unused);
	}
}

int main(void)
{
	check_seed();
	outer_header();
	sizes();
	whole();
	padding_is_not_sent();
	refusals();
	impossible_tunnels();
	decapsulation();
	malformed();
	round_trip();
	return 0;
}
