/*
 * The whole engine under ThreadSanitizer: its threads carry packets while
 * tunnels are installed, replaced and removed, and counters, tunnels and events
 * are read.  In a network namespace of its own, whose loopback is both ends of the
 * tunnel: what goes in at 127.0.0.1 comes out at 127.0.0.2.  Needs root; says so
 * and passes otherwise.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <net/route.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "mip_capture.h"
#include "mip_engine.h"

enum { SECONDS = 4, STRANGERS = 200, GSO_UDP_L4 = 5 };

static uint32_t shared_be;

static _Atomic bool done;
static _Atomic uint64_t sent;

/* A port of AF_XDP is opened or closed now and then only: that takes the kernel longer than all other changes. */
static unsigned hop_every;

static struct mip_tunnel tunnel(uint32_t home_be, enum mip_side side)
{
	struct mip_tunnel t = {
		.home_be = home_be,
		.local_be = check_address(127, 0, 0, side == MIP_HOME ? 1 : 2),
		.remote_be = check_address(127, 0, 0, side == MIP_HOME ? 2 : 1),
		.mtu = (uint16_t)(900 + check_random() % 2),
		.side = side,
		.encap = MIP_ENCAP_IPIP,
		.flags = MIP_F_REVERSE,
	};

	if (side == MIP_HOME && check_random() % 2)
		t.flags |= MIP_F_BROADCAST | (check_random() % 2 ? MIP_F_NESTED : 0);
	if (side == MIP_HOME && check_random() % 4)
		t.flags |= MIP_F_MULTICAST;

	return t;
}

static void allow(const char *what)
{
	char path[100];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/lo/%s", what);
	file = fopen(path, "w");
	CHECK(file && fputs("1", file) > 0 && fclose(file) == 0);
}

static void set_up_network(uint32_t home_be)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	struct rtentry route = { .rt_flags = RTF_UP | RTF_HOST, .rt_dev = (char[]){ "mip0" } };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = home_be };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	memcpy(&route.rt_dst, &to, sizeof(to));
	CHECK(ioctl(fd, SIOCSIFFLAGS, &lo) == 0);
	CHECK(ioctl(fd, SIOCADDRT, &route) == 0);
	close(fd);
	/* What comes from the loopback without having been routed there is as good as what was. */
	allow("route_localnet");
	allow("accept_local");
}

/* A multicast there: a frame, as the kernel gives those of the loopback no address of a group. */
static void multicast(int fd, struct check_packet c)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_IP),
				  .sll_ifindex = 1,
				  .sll_halen = 6,
				  .sll_addr = { 1, 0, 0x5e, 1, 2, 3 } };
	uint8_t packet[200];

	c.dst_be = check_address(239, 1, 2, 3);
	c.payload = 100;
	(void)sendto(fd, packet, check_build(packet, &c), 0, (struct sockaddr *)&to, sizeof(to));
}

/* A broadcast on the loopback, which stands for a home link. */
static void broadcast(int fd, struct check_packet c)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = INADDR_BROADCAST };
	uint8_t packet[200];

	c.dst_be = INADDR_BROADCAST;
	c.payload = 100;
	(void)sendto(fd, packet, check_build(packet, &c), 0, (struct sockaddr *)&to, sizeof(to));
}

/* From a visitor on the loopback whose address another has too. */
static void visit(int fd, struct check_packet c)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = check_address(127, 0, 0, 9) };
	uint8_t packet[800];

	c.src_be = shared_be;
	c.dst_be = to.sin_addr.s_addr;
	(void)sendto(fd, packet, check_build(packet, &c), 0, (struct sockaddr *)&to, sizeof(to));
}

/* A super-packet of five datagrams, put on the way into the TUN device as the kernel would. */
static void super_packet(int fd, struct check_packet c, uint32_t ifindex)
{
	const struct virtio_net_hdr h = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = GSO_UDP_L4,
		.hdr_len = 28,
		.gso_size = 500,
		.csum_start = 20,
		.csum_offset = 6,
	};
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_IP),
				  .sll_ifindex = (int)ifindex };
	uint8_t packet[sizeof(h) + 3000] = { 0 };
	uint32_t len;

	memcpy(packet, &h, sizeof(h));
	c.payload = 8 + 2500;
	len = check_build(packet + sizeof(h), &c);
	packet[sizeof(h) + 24] = (uint8_t)(c.payload >> 8);
	packet[sizeof(h) + 25] = (uint8_t)c.payload;
	(void)sendto(fd, packet, sizeof(h) + len, 0, (struct sockaddr *)&to, sizeof(to));
}

/* Some with DF over the MTU, some to be fragmented, most just right. */
static void *sender(void *argument)
{
	struct check_packet c = {
		.src_be = check_address(203, 0, 113, 9), .ttl = 9, .protocol = 17, .payload = 100
	};
	struct sockaddr_in to = { .sin_family = AF_INET };
	uint8_t packet[2000];
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW), lo = socket(AF_INET, SOCK_RAW, IPPROTO_RAW), yes = 1;
	int frames = socket(AF_PACKET, SOCK_DGRAM, 0);
	int whole = socket(AF_PACKET, SOCK_RAW, 0);
	uint32_t tun = if_nametoindex("mip0");

	CHECK(setsockopt(whole, SOL_PACKET, PACKET_VNET_HDR, &yes, sizeof(yes)) == 0);

	CHECK(fd >= 0 && setsockopt(lo, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) == 0 &&
	      setsockopt(lo, SOL_SOCKET, SO_BROADCAST, &yes, sizeof(yes)) == 0);
	c.dst_be = to.sin_addr.s_addr = *(uint32_t *)argument;
	for (unsigned i = 0; !atomic_load(&done); i++) {
		uint32_t len;

		c.payload = i % 16 < 2 ? 1200 : i % 700;
		c.frag = i % 2 ? MIP_IPV4_DF : 0;
		c.id = (uint16_t)(i + 1);
		len = check_build(packet, &c);
		if (i % 8 == 0)
			broadcast(lo, c);
		else if (i % 8 == 2)
			multicast(frames, c);
		else if (i % 8 == 4)
			super_packet(whole, c, tun);
		else if (i % 8 == 1 && c.payload < 700)
			visit(lo, c);
		if (sendto(fd, packet, len, 0, (struct sockaddr *)&to, sizeof(to)) == (ssize_t)len)
			atomic_fetch_add(&sent, 1);
	}
	close(fd);
	close(lo);
	close(frames);
	close(whole);
	return NULL;
}

/* The loopback is its own next hop, when it is known: of each end, or of none. */
static void next_hop(struct mip_engine *e, bool known)
{
	const uint32_t lo = known ? if_nametoindex("lo") : 0;
	const struct mip_hop_change hops[] = {
		{ check_address(127, 0, 0, 1), check_address(127, 0, 0, 2), { lo, { 0 } } },
		{ check_address(127, 0, 0, 2), check_address(127, 0, 0, 1), { lo, { 0 } } },
	};

	CHECK(mip_engine_hops(e, hops, 2) == 2);
}

static void change(struct mip_engine *e, uint32_t home_be)
{
	uint32_t other_be = check_address(10, 0, 0, check_random() % STRANGERS);
	struct mip_change changes[] = {
		{ .tunnel = tunnel(home_be, MIP_HOME), .beside = check_random() % 2 },
		{ .tunnel = tunnel(home_be, MIP_CARE_OF) },
		{ .tunnel = tunnel(other_be, check_random() % 2), .remove = check_random() % 2 },
		{ .tunnel = tunnel(home_be, MIP_HOME), .remove = check_random() % 2, .beside = true },
		{ .tunnel = tunnel(shared_be, MIP_CARE_OF), .beside = true },
		{ .tunnel = tunnel(shared_be, MIP_CARE_OF),
		  .remove = check_random() % 4 == 0,
		  .beside = true },
	};
	static const enum mip_encap kinds[] = { MIP_ENCAP_IPIP, MIP_ENCAP_GRE, MIP_ENCAP_MINIMAL };
	size_t made, removed;
	if (check_random() % hop_every == 0)
		next_hop(e, check_random() % 4);
	/* Two visitors with one address, on the loopback: one has what is sent there, one comes and goes. */
	for (int i = 4; i < 6; i++) {
		changes[i].tunnel.flags |= MIP_F_SHARED;
		changes[i].spot = (struct mip_spot){ .ifindex = 1, .own_be = htonl(INADDR_LOOPBACK) };
	}
	changes[5].tunnel.remote_be = check_address(127, 0, 0, 4);
	changes[5].spot.address[0] = (uint8_t)(2 + 2 * (check_random() % 2));
	changes[2].tunnel.encap = kinds[check_random() % 3];
	/* A second care-of address, which nobody answers for, comes and goes. */
	changes[3].tunnel.remote_be = check_address(127, 0, 0, 3);
	CHECK(mip_engine_apply(e, changes, 6, &made, &removed) == 0 && made == 6);
	for (int i = 0; i < 2; i++) {
		uint32_t member_be = i ? home_be : other_be;

		if (check_random() % 4)
			CHECK(mip_engine_join(e, check_address(239, 1, 2, 3), member_be) == 0);
		else
			mip_engine_leave(e, check_address(239, 1, 2, 3), member_be);
	}
}

static void look(struct mip_engine *e, uint64_t counters[MIP_COUNTER_END])
{
	struct mip_status status[64];
	struct mip_event events[16];
	uint64_t drops[MIP_DROP_END];
	uint32_t cursor = 0;

	while (mip_engine_tunnels(e, &cursor, status, 64))
		;
	while (mip_engine_events(e, events, 16))
		;
	mip_engine_counters(e, drops, counters);
}

/* What is captured while everything else goes on, and that one can end a capture at any time. */
static uint64_t capture(struct mip_engine *e, uint32_t address_be)
{
	static uint8_t packet[MIP_PACKET_MAX];
	struct mip_captured c;
	struct mip_capture_ring *rings;
	uint64_t count = 0;
	int fd, number = mip_engine_capture(e, address_be, 128, &fd);

	CHECK(number >= 0);
	rings = mmap(NULL, MIP_THREADS * sizeof(*rings), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(rings != MAP_FAILED && ftruncate(fd, 0) < 0);
	usleep(10000);
	for (int d = 0; d < MIP_THREADS; d++)
		for (; mip_capture_take(&rings[d], &c, packet); count++)
			CHECK(c.captured <= 128 && c.captured <= c.length && c.drop < MIP_DROP_END);
	mip_engine_capture_end(e, number);
	munmap(rings, MIP_THREADS * sizeof(*rings));
	close(fd);
	return count;
}

/* Whether the counters moved that have to. */
static void judge(const uint64_t counters[MIP_COUNTER_END])
{
	CHECK(counters[MIP_COUNTER_DECAPSULATED_PACKETS] > 0 && counters[MIP_COUNTER_FRAGMENTS] > 0 &&
	      counters[MIP_COUNTER_ICMP_FAILED] > 0); /* nobody to send them to */
	CHECK(counters[MIP_COUNTER_LINK_READ_PACKETS] > 0 && counters[MIP_COUNTER_MULTICAST_COPIES] > 0);
	CHECK(counters[MIP_COUNTER_COPIED_PACKETS] > 0 && counters[MIP_COUNTER_BROADCAST_COPIES] > 0);
	CHECK(counters[MIP_COUNTER_SUPER_PACKETS] > 0 && counters[MIP_COUNTER_COALESCED_PACKETS] > 0);
	CHECK(counters[MIP_COUNTER_PAST_ROUTING] > 0 &&
	      counters[MIP_COUNTER_PAST_ROUTING] < counters[MIP_COUNTER_ENCAPSULATED_PACKETS]);
}

static void run(enum mip_underlay_kind underlay, uint32_t home_be)
{
	struct mip_config config = {
		.device = "mip0",
		.mtu = 1480,
		.capacity = 1000,
		.icmp_rate = 100,
		.broadcast_rate = 2000,
		.multicast_rate = 2000,
		.underlay = underlay,
	};
	uint64_t counters[MIP_COUNTER_END], changes = 0, captured = 0;
	struct mip_engine *e;
	enum mip_stage stage;
	pthread_t thread;
	int error = mip_engine_open(&e, &config, &stage);

	if (error && underlay == MIP_UNDERLAY_XDP) {
		printf("tsan_engine: not run with AF_XDP: %s\n", strerror(-error));
		return;
	}
	CHECK(error == 0);
	set_up_network(home_be);
	hop_every = underlay == MIP_UNDERLAY_XDP ? 300 : 1;
	CHECK(mip_engine_watch(e, "lo", check_address(198, 51, 100, 0), check_address(255, 255, 255, 0), true,
			       &stage) == 0);
	change(e, home_be);
	next_hop(e, true);
	CHECK(mip_engine_has_port(e, if_nametoindex("lo")) == (underlay == MIP_UNDERLAY_XDP));
	atomic_store(&done, false);
	CHECK(pthread_create(&thread, NULL, sender, &home_be) == 0);
	for (int round = 0; round < 2; round++) {
		CHECK(mip_engine_start(e) == 0);
		for (time_t end = time(NULL) + SECONDS / 2; time(NULL) < end; look(e, counters))
			for (int i = 0; i < 100; i++, changes++) {
				change(e, home_be);
				if (i % 20 == 0)
					captured += capture(e, i % 40 ? home_be : 0);
			}
		mip_engine_stop(e);
	}
	atomic_store(&done, true);
	pthread_join(thread, NULL);
	look(e, counters);
	printf("%s: %llu changes, %llu packets sent, %llu encapsulated, %llu past routing, %llu "
	       "decapsulated\n",
	       mip_underlay_names[underlay], (unsigned long long)changes,
	       (unsigned long long)atomic_load(&sent),
	       (unsigned long long)counters[MIP_COUNTER_ENCAPSULATED_PACKETS],
	       (unsigned long long)counters[MIP_COUNTER_PAST_ROUTING],
	       (unsigned long long)counters[MIP_COUNTER_DECAPSULATED_PACKETS]);
	judge(counters);
	CHECK(captured > 1000);
	mip_engine_close(e);
}

int main(void)
{
	uint32_t home_be = check_address(198, 51, 100, 7);

	check_seed();
	shared_be = check_address(198, 51, 100, 9);
	if (unshare(CLONE_NEWNET) < 0) {
		CHECK(errno == EPERM);
		puts("tsan_engine: not run, needs root");
		return 0;
	}
	run(MIP_UNDERLAY_PACKET, home_be);
	run(MIP_UNDERLAY_XDP, home_be);
	return 0;
}
