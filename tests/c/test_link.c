/* Off the link of visitors with a shared address: whose a packet is; a super-packet counts as its segments. */
#define _GNU_SOURCE
#include "check.h"
#include "mip_worker_link.c"

enum { SEGMENT = 100, SEGMENTS = 5, HEADERS = 40, IFINDEX = 3, INDEX = 4 };

static struct mip_worker worker;
static struct mip_table table;
static struct mip_traffic traffic[INDEX + 1];
static struct mip_place places[INDEX + 1];
static uint8_t room[MIP_ROOM];
static const uint8_t visitor[MIP_LINK_ADDRESS] = { 2, 0, 0, 0, 0, 9 };
static uint32_t home_be, tunnelled, ttl;

uint16_t mip_worker_id(struct mip_worker *w)
{
	return w->id;
}

uint64_t mip_now_ns(void)
{
	return 0;
}

void mip_worker_flush(struct mip_worker *w)
{
	w->send.count = 0;
}

enum mip_drop mip_worker_refusal(int error)
{
	return error ? MIP_DROP_SEND_FAILED : MIP_OK;
}

uint32_t mip_link_mtu(int fd, uint32_t ifindex)
{
	return fd >= 0 && ifindex ? 1500 : 0;
}

enum mip_drop mip_worker_tunnel(struct mip_worker *w, struct mip_packet *p, const struct mip_ipv4 *inner,
				const struct mip_tunnel *t, bool nested)
{
	CHECK(w == &worker && t->index == INDEX && !nested && p->len == inner->total);
	tunnelled++;
	ttl = inner->ttl;
	return MIP_OK;
}

void mip_worker_tunnel_super(struct mip_worker *w, const struct mip_packet *p, const struct mip_ipv4 *inner,
			     const struct mip_super *super, const struct mip_tunnel *t)
{
	CHECK(w == &worker && t->index == INDEX && p->len == inner->total && super->size == SEGMENT);
	tunnelled += super->count;
	ttl = inner->ttl;
}

void mip_worker_too_big(struct mip_worker *w, const struct mip_packet *p, const struct mip_tunnel *t)
{
	(void)w;
	(void)p;
	(void)t;
	CHECK(false && "nothing here is too big");
}

static void visit(uint16_t flags)
{
	struct mip_tunnel t = { .home_be = home_be,
				.local_be = check_address(192, 0, 2, 1),
				.remote_be = check_address(192, 0, 2, 2),
				.index = INDEX,
				.mtu = 1400,
				.side = MIP_CARE_OF,
				.encap = MIP_ENCAP_IPIP,
				.flags = (uint16_t)(MIP_F_SHARED | flags) };
	struct mip_spot spot = { .ifindex = IFINDEX, .own_be = check_address(10, 0, 0, 1) };

	memcpy(spot.address, visitor, sizeof(visitor));
	mip_place_write(&places[INDEX], &spot);
	mip_table_put(&table, &t);
	memset(worker.drops, 0, sizeof(worker.drops));
	memset(worker.counters, 0, sizeof(worker.counters));
	memset(traffic, 0, sizeof(traffic));
	tunnelled = ttl = 0;
}

/* As the kernel hands over what it merged of one TCP stream. */
static void read_super(uint32_t dst_be, uint8_t last)
{
	const uint16_t header[4] = { HEADERS, SEGMENT, ETH_HLEN + MIP_IPV4_HEADER, 16 };
	struct check_packet c = { .src_be = home_be,
				  .dst_be = dst_be,
				  .ttl = 9,
				  .protocol = MIP_PROTO_TCP,
				  .payload = 20 + SEGMENT * SEGMENTS };
	struct sockaddr_ll from = { .sll_ifindex = IFINDEX, .sll_halen = MIP_LINK_ADDRESS };
	struct mip_packet p = { .data = room + MIP_HEADROOM, .headroom = MIP_HEADROOM };

	memcpy(from.sll_addr, visitor, sizeof(visitor));
	from.sll_addr[5] = last;
	p.len = check_build(p.data, &c);
	p.data[MIP_IPV4_HEADER + 12] = 5 << 4;
	memset(p.data - FRONT, 0, FRONT);
	p.data[-FRONT] = p.data[1 - FRONT] = 1;
	memcpy(p.data - FRONT + 2, header, sizeof(header));
	link_packet(&worker, &p, &from);
	CHECK(mip_get(&worker.counters[MIP_COUNTER_LINK_READ_PACKETS]) == SEGMENTS);
}

static uint64_t dropped(enum mip_drop drop)
{
	return mip_get(&worker.drops[drop]);
}

int main(void)
{
	uint32_t elsewhere = check_address(203, 0, 113, 9);
	void *memory = aligned_alloc(64, mip_table_bytes(4));

	CHECK(memory);
	memset(memory, 0, mip_table_bytes(4));
	mip_table_init(&table, memory, 4, 1);
	home_be = check_address(10, 9, 9, 9);
	worker.table = &table;
	worker.traffic = traffic;
	worker.places = places;

	visit(MIP_F_REVERSE);
	read_super(elsewhere, visitor[5]);
	CHECK(tunnelled == SEGMENTS && ttl == 8 && mip_get(&traffic[INDEX].dropped) == 0);
	visit(MIP_F_REVERSE);
	read_super(elsewhere, 8);
	CHECK(tunnelled == 0 && dropped(MIP_DROP_NO_BINDING) == SEGMENTS);
	visit(MIP_F_REVERSE);
	read_super(check_address(10, 0, 0, 1), visitor[5]);
	CHECK(tunnelled == 0 && mip_get(&traffic[INDEX].dropped) == 0);
	visit(0);
	read_super(elsewhere, visitor[5]);
	CHECK(tunnelled == 0 && dropped(MIP_DROP_NOT_REVERSE) == SEGMENTS);
	CHECK(mip_get(&traffic[INDEX].dropped) == SEGMENTS);
	visit(MIP_F_REVERSE | MIP_F_DELIVERY);
	read_super(elsewhere, visitor[5]);
	CHECK(tunnelled == 0 && dropped(MIP_DROP_SHARED_ADDRESS) == SEGMENTS);
	CHECK(mip_get(&traffic[INDEX].dropped) == SEGMENTS);
	free(memory);
	return 0;
}
