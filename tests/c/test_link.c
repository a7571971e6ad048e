/* Off the link of visitors with a shared address: whose a packet is; a super-packet counts as its segments. */
#define _GNU_SOURCE
#include <linux/virtio_net.h>
#include <sys/socket.h>

#include "check.h"
#include "mip_checksum.h"

static ssize_t put(int fd, const void *frame, size_t len, int flags, const struct sockaddr *to,
		   socklen_t size);

#define sendto put
#include "mip_worker_link.c"
#undef sendto

enum { SEGMENT = 100, SEGMENTS = 5, HEADERS = 40, IFINDEX = 3, INDEX = 4 };

static struct mip_worker worker;
static struct mip_table table;
static struct mip_traffic traffic[INDEX + 1];
static struct mip_place places[INDEX + 1];
static struct mip_unreached unreached;
static uint8_t room[MIP_ROOM];
static const uint8_t visitor[MIP_LINK_ADDRESS] = { 2, 0, 0, 0, 0, 9 };
static uint32_t home_be, tunnelled, told, ttl, link_mtu;

/* What was put on the link: packets, the longest, and what the last said of itself. */
static uint32_t put_packets, put_longest;
static struct virtio_net_hdr put_header;

/* As the kernel: what is to be cut by the device may be longer than its MTU. */
static ssize_t put(int fd, const void *frame, size_t len, int flags, const struct sockaddr *to,
		   socklen_t size)
{
	uint32_t packet = (uint32_t)(len - FRONT);

	CHECK(fd == 5 && flags == 0 && size == sizeof(struct sockaddr_ll));
	CHECK(((const struct sockaddr_ll *)to)->sll_ifindex == IFINDEX);
	memcpy(&put_header, frame, sizeof(put_header));
	if (put_header.gso_type == VIRTIO_NET_HDR_GSO_TCPV4)
		packet = (uint32_t)(put_header.gso_size + put_header.hdr_len - ETH_HLEN);
	if (packet > link_mtu) {
		errno = EMSGSIZE;
		return -1;
	}
	put_packets++;
	if (packet > put_longest)
		put_longest = packet;
	return (ssize_t)len;
}

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
	return fd == 5 && ifindex == IFINDEX ? link_mtu : 0;
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

void mip_worker_capture_drop(struct mip_worker *w, enum mip_drop drop, const struct mip_tunnel *t,
			     const struct mip_packet *p)
{
	(void)w;
	(void)drop;
	(void)t;
	(void)p;
	CHECK(false && "nobody captures");
}

void mip_worker_too_big(struct mip_worker *w, const struct mip_packet *p, const struct mip_tunnel *t)
{
	(void)w;
	(void)p;
	(void)t;
	CHECK(false && "nothing here is too big");
}

void mip_worker_tell_unreached(struct mip_worker *w, const struct mip_packet *p, const struct mip_ipv4 *inner,
			       const struct mip_super *super, const struct mip_tunnel *t)
{
	CHECK(w == &worker && t->index == INDEX && p->len == inner->total);
	CHECK(inner->ttl == 8 && tunnelled == 0); /* as it goes, before that changes it */
	told += super->count;
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
				.flags = (enum mip_flag)(MIP_F_SHARED | flags) };
	struct mip_spot spot = { .ifindex = IFINDEX, .own_be = check_address(10, 0, 0, 1) };

	memcpy(spot.address, visitor, sizeof(visitor));
	mip_place_write(&places[INDEX], &spot);
	mip_table_put(&table, &t);
	memset(worker.drops, 0, sizeof(worker.drops));
	memset(worker.counters, 0, sizeof(worker.counters));
	memset(traffic, 0, sizeof(traffic));
	tunnelled = told = ttl = 0;
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

/* Out of the tunnel, onto the link: a packet of so many bytes, whose checksum a card may have to finish. */
static void deliver(uint32_t payload, uint16_t frag, bool pending)
{
	struct check_packet c = { .src_be = check_address(203, 0, 113, 9),
				  .dst_be = home_be,
				  .frag = frag,
				  .ttl = 9,
				  .protocol = MIP_PROTO_TCP,
				  .payload = 20 + payload };
	struct mip_packet p = { .data = room + MIP_HEADROOM, .headroom = MIP_HEADROOM };
	struct mip_decap d = { .ecn_unused = false };
	struct mip_tunnel t;

	CHECK(mip_table_find(&table, home_be, MIP_CARE_OF, &t));
	p.len = check_build(p.data, &c);
	p.data[MIP_IPV4_HEADER + 12] = 5 << 4;
	CHECK(mip_ipv4_parse(p.data, p.len, MIP_INNER, &d.inner) == MIP_OK);
	if (pending) {
		uint64_t sum = mip_checksum_add((uint64_t)c.protocol + c.payload, p.data + 12, 8);

		mip_store16(p.data + MIP_IPV4_HEADER + 16, mip_checksum_fold(sum));
	}
	put_packets = put_longest = 0;
	mip_worker_link_deliver(&worker, &p, &d, &t);
}

/* RFC 791: no packet on the link is longer than it carries, whatever the tunnel's MTU is. */
static void deliveries(void)
{
	static const uint32_t mtus[] = { 576, 1006, 1400, 1500, 9000 };

	worker.rooms = malloc((size_t)MIP_ROOMS * MIP_ROOM);
	CHECK(worker.rooms);
	worker.link_fd = 5;
	worker.device_mtu = 1480;
	for (size_t i = 0; i < sizeof(mtus) / sizeof(mtus[0]); i++) {
		uint32_t least = mtus[i] < 1400 ? mtus[i] : 1400;

		link_mtu = mtus[i];
		visit(MIP_F_REVERSE);
		deliver(500, MIP_IPV4_DF, false);
		CHECK(put_packets == 1 && put_longest == 540 && put_header.gso_type == 0);
		/* A finished packet that is too long for the link, though not for the tunnel. */
		deliver(1300, MIP_IPV4_DF, false);
		CHECK(put_packets == (link_mtu >= 1340) && dropped(MIP_DROP_TOO_BIG) == !put_packets);
		deliver(1300, 0, false);
		CHECK(put_longest <= link_mtu && put_packets == (1320 + link_mtu - 21) / (link_mtu - 20));
		/* Merged by a card: cut to what both carry. */
		visit(MIP_F_REVERSE);
		deliver(20000, MIP_IPV4_DF, true);
		CHECK(put_packets == 1 && put_longest == least && put_header.gso_size == least - 40);
		deliver(1300, MIP_IPV4_DF, true);
		CHECK(put_packets == 1 && put_longest == (least < 1340 ? least : 1340));
		CHECK(dropped(MIP_DROP_TOO_BIG) == 0);
	}
	free(worker.rooms);
}

/* Only of what goes into a tunnel is it asked whether the other end is reached, and only once some end is not. */
static void out_of_reach(uint32_t elsewhere)
{
	mip_unreached_put(&unreached, check_address(192, 0, 2, 2), 1, UINT64_MAX);
	visit(MIP_F_REVERSE);
	read_super(elsewhere, visitor[5]);
	CHECK(told == SEGMENTS && tunnelled == SEGMENTS);
	visit(MIP_F_REVERSE);
	read_super(elsewhere, 8);
	CHECK(dropped(MIP_DROP_NO_BINDING) == SEGMENTS && told == 0);
	visit(0);
	read_super(elsewhere, visitor[5]);
	CHECK(dropped(MIP_DROP_NOT_REVERSE) == SEGMENTS && told == 0);
	visit(MIP_F_REVERSE | MIP_F_DELIVERY);
	read_super(elsewhere, visitor[5]);
	CHECK(dropped(MIP_DROP_SHARED_ADDRESS) == SEGMENTS && told == 0);
	visit(MIP_F_REVERSE);
	read_super(check_address(10, 0, 0, 1), visitor[5]);
	CHECK(tunnelled == 0 && told == 0);
}

int main(void)
{
	uint32_t elsewhere = check_address(203, 0, 113, 9);
	void *memory = aligned_alloc(64, mip_table_bytes(4));

	CHECK(memory);
	memset(memory, 0, mip_table_bytes(4));
	mip_table_init(&table, memory, 4, 1);
	home_be = check_address(10, 9, 9, 9);
	worker.unreached = &unreached;
	worker.table = &table;
	worker.traffic = traffic;
	worker.places = places;

	visit(MIP_F_REVERSE);
	read_super(elsewhere, visitor[5]);
	CHECK(tunnelled == SEGMENTS && ttl == 8 && mip_get(&traffic[INDEX].dropped) == 0);
	CHECK(told == 0);
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
	out_of_reach(elsewhere);
	deliveries();
	free(memory);
	return 0;
}
