/* Which tunnel, and who may use it: every verdict, at both ends. */
#include <string.h>

#include "check.h"
#include "mip_path.h"

static uint32_t home_a, home_b, agent, care_of, stranger;
static struct mip_table table;
static void *memory;
static bool goes_on; /* what inbound() accepted */
static struct mip_tunnel accepted;

static void reset(void)
{
	home_a = check_address(198, 51, 100, 1);
	home_b = check_address(198, 51, 100, 2);
	agent = check_address(192, 0, 2, 1);
	care_of = check_address(192, 0, 2, 2);
	stranger = check_address(203, 0, 113, 9);
	memset(memory, 0, mip_table_bytes(8));
	mip_table_init(&table, memory, 8, 42);
}

static void add(uint32_t home_be, enum mip_side side, uint32_t local_be, uint32_t remote_be,
		enum mip_flag flags)
{
	struct mip_tunnel t = {
		.home_be = home_be,
		.local_be = local_be,
		.remote_be = remote_be,
		.mtu = 1480,
		.side = side,
		.encap = MIP_ENCAP_IPIP,
		.flags = flags,
	};

	CHECK(mip_table_put(&table, &t) == MIP_PUT_NEW);
}

static enum mip_drop outbound(uint32_t src_be, uint32_t dst_be, struct mip_tunnel *t)
{
	const struct mip_ipv4 inner = { .src_be = src_be, .dst_be = dst_be };
	struct mip_tunnel again = { 0 };
	enum mip_drop drop = mip_path_outbound(&table, &inner, mip_path_near_outbound(&table, &inner), t);

	/* From a wrong line: the same. */
	for (uint32_t at = 0; at <= table.mask; at += MIP_LINE_SLOTS) {
		CHECK(mip_path_outbound(&table, &inner, (struct mip_near){ at, at }, &again) == drop);
		CHECK(drop || memcmp(&again, t, sizeof(again)) == 0);
	}
	return drop;
}

static enum mip_drop inbound(uint32_t src_be, uint32_t dst_be, uint32_t outer_src_be, uint32_t outer_dst_be)
{
	const struct mip_decap d = { .outer = { .src_be = outer_src_be, .dst_be = outer_dst_be },
				     .inner = { .src_be = src_be, .dst_be = dst_be } };
	struct mip_tunnel t = { 0 };
	enum mip_drop drop;

	for (uint32_t at = 0; at <= table.mask; at += MIP_LINE_SLOTS) {
		drop = mip_path_inbound(&table, MIP_ENCAP_IPIP, &d, (struct mip_near){ at, at }, &t);
		CHECK(drop == mip_path_inbound(&table, MIP_ENCAP_IPIP, &d,
					       mip_path_near_inbound(&table, &d.inner), &t));
	}
	goes_on = !drop && mip_path_is_delivery(&d, &t);
	accepted = t;
	return drop;
}

static void empty(void)
{
	struct mip_tunnel t;

	reset();
	CHECK(outbound(stranger, home_a, &t) == MIP_DROP_NO_BINDING);
	CHECK(inbound(stranger, home_a, agent, care_of) == MIP_DROP_NO_BINDING);
}

static void home_end(void)
{
	struct mip_tunnel t;

	reset();
	add(home_a, MIP_HOME, agent, care_of, MIP_F_REVERSE);
	add(home_b, MIP_HOME, agent, care_of, 0);
	CHECK(outbound(stranger, home_a, &t) == MIP_OK && t.home_be == home_a && t.remote_be == care_of);
	CHECK(outbound(home_a, stranger, &t) == MIP_DROP_NO_BINDING);
	/* Reverse tunnel: RFC 3024 4.4. */
	CHECK(inbound(home_a, stranger, care_of, agent) == MIP_OK);
	CHECK(inbound(home_b, stranger, care_of, agent) == MIP_DROP_NOT_REVERSE);
	CHECK(inbound(home_a, stranger, stranger, agent) == MIP_DROP_WRONG_OUTER_SOURCE);
	CHECK(inbound(home_a, stranger, care_of, stranger) == MIP_DROP_WRONG_OUTER_DESTINATION);
	CHECK(inbound(stranger, home_a, care_of, agent) == MIP_DROP_NO_BINDING);
}

static void care_of_end(void)
{
	struct mip_tunnel t;

	reset();
	add(home_a, MIP_CARE_OF, care_of, agent, MIP_F_REVERSE);
	add(home_b, MIP_CARE_OF, care_of, agent, 0);
	CHECK(outbound(home_a, stranger, &t) == MIP_OK && t.remote_be == agent);
	CHECK(outbound(home_b, stranger, &t) == MIP_DROP_NOT_REVERSE);
	CHECK(outbound(stranger, home_a, &t) == MIP_DROP_NO_BINDING);
	/* Without the flag packets still come in: only the reverse direction is refused. */
	CHECK(inbound(stranger, home_a, agent, care_of) == MIP_OK);
	CHECK(inbound(stranger, home_b, agent, care_of) == MIP_OK);
	CHECK(inbound(stranger, home_a, stranger, care_of) == MIP_DROP_WRONG_OUTER_SOURCE);
	CHECK(inbound(stranger, home_a, agent, stranger) == MIP_DROP_WRONG_OUTER_DESTINATION);
	CHECK(inbound(home_a, stranger, agent, care_of) == MIP_DROP_NO_BINDING);
}

/* Home agent of A and foreign agent of B in one process; A, elsewhere, writes to B, here. */
static void both_ends(void)
{
	const uint32_t other_agent = check_address(192, 0, 2, 99);

	reset();
	add(home_a, MIP_HOME, agent, care_of, MIP_F_REVERSE);
	add(home_b, MIP_CARE_OF, agent, other_agent, MIP_F_REVERSE);
	CHECK(inbound(home_a, home_b, care_of, agent) == MIP_OK);
	CHECK(inbound(home_a, home_b, other_agent, agent) == MIP_OK);
	CHECK(inbound(home_a, home_b, stranger, agent) == MIP_DROP_WRONG_OUTER_SOURCE);
}

/* Simultaneous bindings: either care-of address, by its own reverse flag; nobody else. */
static void two_care_of_addresses(void)
{
	const uint32_t second = check_address(192, 0, 2, 3), agent_2 = check_address(192, 0, 2, 4);
	struct mip_tunnel t = { .home_be = home_a,
				.local_be = agent,
				.remote_be = care_of,
				.mtu = 1480,
				.encap = MIP_ENCAP_IPIP,
				.flags = MIP_F_REVERSE };

	reset();
	CHECK(mip_group_join(&table, &t) == MIP_JOINED);
	t.remote_be = second;
	t.local_be = agent_2;
	CHECK(mip_group_join(&table, &t) == MIP_JOINED);
	CHECK(outbound(stranger, home_a, &t) == MIP_OK && t.beside == 1);
	CHECK(inbound(home_a, stranger, care_of, agent) == MIP_OK);
	CHECK(inbound(home_a, stranger, second, agent_2) == MIP_OK);
	CHECK(inbound(home_a, stranger, second, agent) == MIP_DROP_WRONG_OUTER_DESTINATION);
	CHECK(inbound(home_a, stranger, stranger, agent) == MIP_DROP_WRONG_OUTER_SOURCE);
	t.remote_be = second;
	t.local_be = agent_2;
	t.flags = 0;
	CHECK(mip_group_join(&table, &t) == MIP_JOINED);
	CHECK(inbound(home_a, stranger, second, agent_2) == MIP_DROP_NOT_REVERSE);
	CHECK(inbound(home_a, stranger, care_of, agent) == MIP_OK);
}

/* RFC 3024 A.2, A.3: at the foreign agent two visitors of different home agents, with one address. */
static void shared_address(void)
{
	const uint32_t agent_2 = check_address(192, 0, 2, 4);
	struct mip_tunnel t = { .home_be = home_a,
				.side = MIP_CARE_OF,
				.local_be = care_of,
				.remote_be = agent,
				.mtu = 1480,
				.encap = MIP_ENCAP_IPIP,
				.index = 1,
				.flags = MIP_F_REVERSE | MIP_F_SHARED | MIP_F_DELIVERY };

	reset();
	CHECK(mip_group_join(&table, &t) == MIP_JOINED);
	t.remote_be = agent_2;
	t.index = 2;
	CHECK(mip_group_join(&table, &t) == MIP_JOINED);
	CHECK(inbound(stranger, home_a, agent, care_of) == MIP_OK && accepted.index == 1);
	CHECK(inbound(stranger, home_a, agent_2, care_of) == MIP_OK && accepted.index == 2);
	CHECK(inbound(stranger, home_a, stranger, care_of) == MIP_DROP_WRONG_OUTER_SOURCE);
	CHECK(inbound(stranger, home_a, agent_2, stranger) == MIP_DROP_WRONG_OUTER_DESTINATION);
	/* Where the link-layer source is not known, nothing is known. */
	CHECK(outbound(home_a, stranger, &t) == MIP_DROP_SHARED_ADDRESS);
	CHECK(inbound(home_a, stranger, home_a, care_of) == MIP_DROP_SHARED_ADDRESS);
	CHECK(mip_group_remove(&table, home_a, MIP_CARE_OF, agent));
	CHECK(inbound(stranger, home_a, agent, care_of) == MIP_DROP_WRONG_OUTER_SOURCE);
	CHECK(inbound(stranger, home_a, agent_2, care_of) == MIP_OK && accepted.index == 2);
}

/* RFC 3024 5.2: the node's own datagrams, at the foreign agent. */
static void delivery(void)
{
	const uint32_t on_link = check_address(192, 0, 2, 200);

	reset();
	add(home_a, MIP_CARE_OF, care_of, agent, MIP_F_REVERSE | MIP_F_DELIVERY);
	add(home_b, MIP_CARE_OF, care_of, agent, MIP_F_REVERSE);
	CHECK(inbound(home_a, stranger, home_a, on_link) == MIP_OK && goes_on);
	CHECK(inbound(home_a, stranger, home_a, care_of) == MIP_OK && goes_on);
	CHECK(inbound(home_a, home_b, home_a, on_link) == MIP_OK && goes_on);
	/* From one visitor to the other, by their home agents: stays. */
	CHECK(inbound(home_a, home_b, agent, care_of) == MIP_OK && !goes_on);
	CHECK(inbound(home_b, stranger, home_b, on_link) == MIP_DROP_NOT_DELIVERY);
	CHECK(inbound(home_a, stranger, home_b, on_link) == MIP_DROP_NO_BINDING);
	CHECK(inbound(home_a, stranger, stranger, on_link) == MIP_DROP_NO_BINDING);
	/* The way to the node is as ever. */
	CHECK(inbound(stranger, home_a, agent, care_of) == MIP_OK && !goes_on);
	reset();
	add(home_a, MIP_CARE_OF, care_of, agent, MIP_F_DELIVERY);
	CHECK(inbound(home_a, stranger, home_a, on_link) == MIP_DROP_NOT_REVERSE);
}

/* RFC 5944 4.3: at the mobile node. */
static void broadcast_at_the_node(void)
{
	const uint32_t all = check_address(255, 255, 255, 255);

	reset();
	add(home_a, MIP_NODE, home_a, agent, 0);
	CHECK(inbound(stranger, all, agent, home_a) == MIP_OK);
	CHECK(inbound(stranger, all, stranger, home_a) == MIP_DROP_WRONG_OUTER_SOURCE);
	CHECK(inbound(stranger, all, agent, care_of) == MIP_DROP_NO_BINDING);
	/* A known tunnel's verdict stands. */
	add(home_b, MIP_CARE_OF, care_of, stranger, 0);
	CHECK(inbound(stranger, home_b, agent, home_a) == MIP_DROP_WRONG_OUTER_SOURCE);
}

/* RFC 5944 4.4: what a mobile node sends to a group, by either of its tunnels; at both ends. */
static void multicast_of_the_node(void)
{
	const uint32_t group = check_address(239, 1, 2, 3);
	struct mip_tunnel t;

	reset();
	add(home_a, MIP_CARE_OF, care_of, agent, MIP_F_REVERSE);
	CHECK(outbound(home_a, group, &t) == MIP_DROP_MULTICAST_WAY);
	add(home_a, MIP_NODE, home_a, agent, 0);
	CHECK(outbound(home_a, group, &t) == MIP_DROP_MULTICAST_WAY);
	reset();
	add(home_a, MIP_CARE_OF, care_of, agent, MIP_F_REVERSE);
	add(home_a, MIP_NODE, home_a, agent, MIP_F_MULTICAST);
	CHECK(outbound(home_a, group, &t) == MIP_OK && t.side == MIP_NODE && t.local_be == home_a);
	CHECK(outbound(home_a, stranger, &t) == MIP_OK && t.side == MIP_CARE_OF);
	CHECK(outbound(stranger, group, &t) == MIP_DROP_MULTICAST_WAY);
	CHECK(inbound(stranger, group, agent, home_a) == MIP_OK);
	/* To a foreign agent, which is tunnelled to from the home address as well. */
	reset();
	add(home_a, MIP_CARE_OF, home_a, care_of, MIP_F_REVERSE | MIP_F_DELIVERY);
	CHECK(outbound(home_a, group, &t) == MIP_OK && t.local_be == home_a && t.remote_be == care_of);

	reset();
	add(home_a, MIP_HOME, agent, care_of, MIP_F_REVERSE | MIP_F_MULTICAST | MIP_F_NESTED);
	add(home_b, MIP_HOME, agent, care_of, MIP_F_REVERSE);
	CHECK(inbound(home_a, group, care_of, agent) == MIP_OK);
	CHECK(inbound(home_a, group, home_a, agent) == MIP_OK);
	CHECK(inbound(home_a, group, home_a, care_of) == MIP_DROP_WRONG_OUTER_SOURCE);
	CHECK(inbound(home_a, group, stranger, agent) == MIP_DROP_WRONG_OUTER_SOURCE);
	/* Only multicasts, and only of nodes whose multicasts are forwarded. */
	CHECK(inbound(home_a, stranger, home_a, agent) == MIP_DROP_WRONG_OUTER_SOURCE);
	CHECK(inbound(home_b, group, home_b, agent) == MIP_DROP_WRONG_OUTER_SOURCE);
	CHECK(inbound(home_b, group, care_of, agent) == MIP_OK);
}

static void other_encapsulation(void)
{
	struct mip_tunnel t = {
		.home_be = 1, .local_be = 2, .remote_be = 3, .side = MIP_CARE_OF, .encap = 48
	};

	reset();
	CHECK(mip_table_put(&table, &t) == MIP_PUT_NEW);
	CHECK(inbound(9, 1, 3, 2) == MIP_DROP_WRONG_ENCAPSULATION);
}

/* Only what anybody could have sent without a tunnel. */
static void probes(void)
{
	uint8_t packet[28] = { [20] = 8 };
	const struct mip_decap good = {
		.outer = { .src_be = agent, .dst_be = care_of },
		.inner = { .src_be = agent,
			   .dst_be = care_of,
			   .total = sizeof(packet),
			   .header = 20,
			   .frag = MIP_IPV4_DF,
			   .protocol = MIP_PROTO_ICMP },
	};
	struct mip_decap d = good;

	CHECK(mip_path_is_probe(packet, &d));
	d.inner.src_be = stranger;
	CHECK(!mip_path_is_probe(packet, &d));
	d = good;
	d.inner.dst_be = home_a;
	CHECK(!mip_path_is_probe(packet, &d));
	d = good;
	d.inner.protocol = MIP_PROTO_UDP;
	CHECK(!mip_path_is_probe(packet, &d));
	d = good;
	d.inner.frag = MIP_IPV4_MF;
	CHECK(!mip_path_is_probe(packet, &d));
	d = good;
	d.inner.total = 27;
	CHECK(!mip_path_is_probe(packet, &d));
	d = good;
	packet[20] = 0;
	CHECK(!mip_path_is_probe(packet, &d));
}

int main(void)
{
	memory = aligned_alloc(64, mip_table_bytes(8));
	empty();
	home_end();
	care_of_end();
	both_ends();
	two_care_of_addresses();
	shared_address();
	delivery();
	broadcast_at_the_node();
	multicast_of_the_node();
	probes();
	other_encapsulation();
	free(memory);
	return 0;
}
