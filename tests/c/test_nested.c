/* Tunnels within tunnels: broadcasts to a foreign agent, and what is tunnelled already. */
#include <string.h>

#include "check.h"
#include "mip_encap.h"

static uint8_t buffer[MIP_HEADROOM + 2000];

static struct mip_tunnel tunnel(enum mip_side side, enum mip_flag flags)
{
	struct mip_tunnel t = {
		.home_be = check_address(198, 51, 100, 7),
		.local_be = check_address(192, 0, 2, 1),
		.remote_be = check_address(192, 0, 2, 2),
		.mtu = 1480,
		.side = side,
		.encap = MIP_ENCAP_IPIP,
		.flags = flags,
	};

	return t;
}

static struct mip_packet build(const struct check_packet *c, struct mip_ipv4 *ip)
{
	struct mip_packet p = { .data = buffer + MIP_HEADROOM, .len = 0, .headroom = MIP_HEADROOM };

	p.len = check_build(p.data, c);
	CHECK(mip_ipv4_parse(p.data, p.len, MIP_INNER, ip) == MIP_OK);
	return p;
}

/* Both headers, by taking them off again: RFC 5944 4.3. */
static void nested(void)
{
	struct mip_tunnel t = tunnel(MIP_HOME, MIP_F_BROADCAST | MIP_F_NESTED);
	struct check_packet c = { .src_be = check_address(198, 51, 100, 9),
				  .dst_be = check_address(255, 255, 255, 255),
				  .tos = 0xb9,
				  .ttl = 3,
				  .protocol = 17,
				  .payload = 200 };
	uint8_t original[2000];
	struct mip_packet p;
	struct mip_decap d;
	struct mip_ipv4 ip;

	CHECK(mip_tunnel_prepare(&t));
	p = build(&c, &ip);
	memcpy(original, p.data, p.len);
	CHECK(mip_encapsulate_nested(&p, &ip, &t, 77) == MIP_OK && p.len == 260);
	CHECK(mip_decapsulate(&p, MIP_ENCAP_IPIP, &d) == MIP_OK && p.len == 240);
	CHECK(d.outer.src_be == t.local_be && d.outer.dst_be == t.remote_be && d.outer.tos == c.tos);
	CHECK(d.inner.src_be == t.local_be && d.inner.dst_be == t.home_be && d.inner.id == 77);
	CHECK(mip_decapsulate(&p, MIP_ENCAP_IPIP, &d) == MIP_OK && p.len == 220);
	CHECK(memcmp(p.data, original, p.len) == 0);
	/* The whole must fit the tunnel. */
	c.payload = 1460 - 20;
	p = build(&c, &ip);
	CHECK(mip_encapsulate_nested(&p, &ip, &t, 1) == MIP_OK && p.len == 1500);
	c.payload++;
	p = build(&c, &ip);
	CHECK(mip_encapsulate_nested(&p, &ip, &t, 1) == MIP_DROP_NEEDS_FRAGMENTATION);
	c.payload = 4;
	p = build(&c, &ip);
	p.headroom = 39;
	CHECK(mip_encapsulate_nested(&p, &ip, &t, 1) == MIP_DROP_NO_HEADROOM && p.headroom == 39);
}

/* An IP-in-IP datagram to the home address, from where, with what inside. */
static enum mip_drop tunnelled(uint32_t src_be, uint32_t inside_be, uint16_t frag, uint32_t payload)
{
	struct mip_tunnel t = tunnel(MIP_HOME, 0);
	struct check_packet c = { .src_be = src_be,
				  .dst_be = t.home_be,
				  .ttl = 3,
				  .frag = frag,
				  .protocol = MIP_PROTO_IPIP,
				  .payload = payload };
	struct mip_packet p;
	struct mip_ipv4 ip;

	CHECK(mip_tunnel_prepare(&t));
	p = build(&c, &ip);
	if (payload >= 20)
		memcpy(p.data + 20 + 16, &inside_be, 4);
	return mip_encapsulate(&p, &ip, &t, 1);
}

/* RFC 5944 4.2.3. */
static void tunnelled_already(void)
{
	const struct mip_tunnel t = tunnel(MIP_HOME, 0);
	const uint32_t stranger = check_address(203, 0, 113, 9);

	CHECK(tunnelled(t.remote_be, t.home_be, 0, 60) == MIP_DROP_LOOP_CARE_OF);
	CHECK(tunnelled(stranger, t.home_be, 0, 60) == MIP_OK);
	CHECK(tunnelled(stranger, stranger, 0, 60) == MIP_OK);
	/* RFC 2003 3.2 forbids these for their source alone. */
	CHECK(tunnelled(t.remote_be, stranger, 0, 60) == MIP_DROP_LOOP_SOURCE_IS_EXIT);
	CHECK(tunnelled(t.remote_be, t.home_be, 5, 60) == MIP_DROP_LOOP_SOURCE_IS_EXIT);
	CHECK(tunnelled(t.remote_be, t.home_be, 0, 19) == MIP_DROP_LOOP_SOURCE_IS_EXIT);
}

/* A mobile node that tunnels from its home address (RFC 3024 5.2). */
static void from_the_home_address(void)
{
	struct mip_tunnel t = tunnel(MIP_CARE_OF, MIP_F_REVERSE | MIP_F_DELIVERY);
	struct check_packet c = { .dst_be = check_address(203, 0, 113, 9), .ttl = 3, .payload = 40 };
	struct mip_packet p;
	struct mip_ipv4 ip;

	CHECK(mip_tunnel_prepare(&t));
	t.local_be = t.home_be;
	CHECK(mip_tunnel_prepare(&t));
	c.src_be = t.home_be;
	p = build(&c, &ip);
	CHECK(mip_encapsulate(&p, &ip, &t, 1) == MIP_OK);
	CHECK(mip_ipv4_parse(p.data, p.len, MIP_OUTER, &ip) == MIP_OK);
	CHECK(ip.src_be == t.home_be && ip.dst_be == t.remote_be);
	c.protocol = MIP_PROTO_IPIP; /* a tunnel of the node's own, to elsewhere */
	p = build(&c, &ip);
	CHECK(mip_encapsulate(&p, &ip, &t, 1) == MIP_OK);
	c.dst_be = t.remote_be; /* this one, come back */
	p = build(&c, &ip);
	CHECK(mip_encapsulate(&p, &ip, &t, 1) == MIP_DROP_LOOP_OWN_TUNNEL);
	t.flags = MIP_F_REVERSE;
	CHECK(!mip_tunnel_prepare(&t));
}

static void at_the_node(void)
{
	struct mip_tunnel t = tunnel(MIP_NODE, 0);

	CHECK(!mip_tunnel_prepare(&t));
	t.local_be = t.home_be;
	CHECK(mip_tunnel_prepare(&t));
	t.flags = MIP_F_REVERSE;
	CHECK(!mip_tunnel_prepare(&t));
}

/* RFC 2003 3.1: one less, and the checksum with it. */
static void forwarding(void)
{
	struct check_packet c = { .src_be = 1, .dst_be = 2, .tos = 3, .payload = 40 };
	struct mip_packet p;
	struct mip_ipv4 ip;

	for (unsigned ttl = 0; ttl < 256; ttl++) {
		c.ttl = (uint8_t)ttl;
		p = build(&c, &ip);
		CHECK(mip_encap_forward(p.data, &ip) == (ttl > 1 ? MIP_OK : MIP_DROP_INNER_TTL));
		CHECK(p.data[8] == (ttl > 1 ? ttl - 1 : ttl) && ip.ttl == p.data[8]);
		CHECK(check_checksum(p.data, 20) == 0);
	}
}

int main(void)
{
	nested();
	tunnelled_already();
	from_the_home_address();
	at_the_node();
	forwarding();
	return 0;
}
