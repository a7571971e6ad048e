/* The queue in front of the ways onto the wire, with ways that fail as the test tells them to. */
#define _GNU_SOURCE
#include <sys/eventfd.h>

#include "check.h"
#include "mip_underlay.c"

enum { SENT = 0 };

/* What the way by next hops answers to its next calls: an errno, or SENT for as many as fit in `at_once`. */
static int script[8];
static uint32_t calls, at_once, by_hop[MIP_BATCH * 2], by_raw[MIP_BATCH * 2], hops_sent, raws_sent;
static int raw_error;

int mip_raw_open_send(uint32_t mark, enum mip_stage *stage)
{
	(void)mark;
	*stage = MIP_STAGE_RAW;
	return -EPERM;
}

int mip_packet_open_underlay(uint32_t mark, enum mip_stage *stage)
{
	(void)mark;
	*stage = MIP_STAGE_UNDERLAY;
	return -EAFNOSUPPORT;
}

/* A port of AF_XDP on interface 7, which may be closed or fail, and carries 1000 bytes. */
static bool port_open;
static int port_error;
static uint32_t by_port[MIP_BATCH * 2], ports_sent;
static struct mip_xdp_port port;

bool mip_xdp_carries(const struct mip_xdp *x, uint32_t ifindex, uint32_t len)
{
	(void)x;
	return ifindex == 7 && len <= 1000 && !atomic_load(&port.broken);
}

struct mip_xdp_port *mip_xdp_take(struct mip_xdp *x, uint32_t ifindex, enum mip_xdp_user user)
{
	(void)x;
	CHECK(ifindex == 7 && user == MIP_XDP_SENDER && !atomic_load(&port.busy[user]));
	if (!port_open)
		return NULL;
	atomic_store(&port.busy[user], true);
	return &port;
}

void mip_xdp_release(struct mip_xdp_port *p, enum mip_xdp_user user)
{
	CHECK(p == &port && atomic_load(&p->busy[user]));
	atomic_store(&p->busy[user], false);
}

static uint32_t number(const struct mmsghdr *m)
{
	return *(const uint8_t *)m->msg_hdr.msg_iov[0].iov_base;
}

int mip_xdp_send(struct mip_xdp_port *p, const struct mmsghdr *messages, uint32_t count, int *error)
{
	if (port_error) {
		errno = port_error;
		if (port_error != ENOBUFS)
			atomic_store(&p->broken, true);
		return -1;
	}
	for (uint32_t i = 0; i < count; i++)
		by_port[ports_sent++] = number(&messages[i]);
	error[count - 1] = EIO; /* the device threw the last one away */
	return (int)count;
}

static int fake_raw(struct mip_send *s, uint32_t from, uint32_t count)
{
	const struct mmsghdr *messages = s->message + from;

	if (raw_error) {
		errno = raw_error;
		return -1;
	}
	for (uint32_t i = 0; i < count; i++) {
		CHECK(messages[i].msg_hdr.msg_namelen == sizeof(struct sockaddr_in));
		by_raw[raws_sent++] = number(&messages[i]);
	}
	return (int)count;
}

static int fake_hop(struct mip_send *s, uint32_t from, uint32_t count)
{
	const struct mmsghdr *messages = s->message + from;
	int error = calls < 8 ? script[calls] : SENT;

	calls++;
	if (error) {
		errno = error;
		return -1;
	}
	count = at_once && count > at_once ? at_once : count;
	for (uint32_t i = 0; i < count; i++) {
		CHECK(messages[i].msg_hdr.msg_namelen == sizeof(struct sockaddr_ll));
		by_hop[hops_sent++] = number(&messages[i]);
	}
	return (int)count;
}

static const struct mip_underlay raw = { mip_raw_open_send, raw_address, fake_raw };
static const struct mip_underlay by_hops = { mip_packet_open_underlay, packet_address, fake_hop };
static struct mip_send queue;
static struct mip_hops hops;
static uint8_t packets[MIP_BATCH];
static int stop_fd;

static const struct mip_tunnel known = { .local_be = 1, .remote_be = 2, .index = 5 },
			       unknown = { .local_be = 1, .remote_be = 3, .index = 6 };

static void begin(void)
{
	struct mip_way ways[MIP_UNDERLAY_KINDS] = { { &raw, stop_fd }, { &by_hops, stop_fd } };

	memset(script, 0, sizeof(script));
	calls = at_once = hops_sent = raws_sent = 0;
	raw_error = 0;
	mip_send_init(&queue, ways, MIP_UNDERLAY_PACKET, &hops, NULL);
}

static void begin_ports(void)
{
	begin();
	queue.ways[MIP_UNDERLAY_XDP].underlay = &mip_underlays[MIP_UNDERLAY_XDP];
	queue.preferred = MIP_UNDERLAY_XDP;
	ports_sent = 0;
	port_error = 0;
	port_open = true;
	atomic_store(&port.broken, false);
}

static void add(const struct mip_tunnel *t, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct mip_packet p = { .data = &packets[queue.count], .len = 1 };

		packets[queue.count] = (uint8_t)queue.count;
		mip_send_add(&queue, &p, t, 1);
	}
}

static uint32_t errors(int error)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < queue.count; i++)
		found += queue.error[i] == error;
	return found;
}

static void known_hops_and_others(void)
{
	begin();
	add(&known, 3);
	add(&unknown, 2);
	add(&known, 1);
	mip_send_flush(&queue, stop_fd);
	CHECK(hops_sent == 4 && raws_sent == 2 && calls == 2 && errors(0) == 6);
	CHECK(by_hop[0] == 0 && by_hop[3] == 5 && by_raw[0] == 3 && by_raw[1] == 4);
	CHECK(queue.way[2] == MIP_UNDERLAY_PACKET && queue.way[3] == MIP_UNDERLAY_RAW && !queue.fell_back);
}

/* In pieces, interrupted, and with what every way would meet: each is dropped alone. */
static void one_by_one(void)
{
	begin();
	at_once = 2;
	script[1] = EINTR;
	script[3] = ENOBUFS;
	script[4] = EMSGSIZE;
	add(&known, 10);
	mip_send_flush(&queue, stop_fd);
	CHECK(hops_sent == 8 && raws_sent == 0 && errors(ENOBUFS) == 1 && errors(EMSGSIZE) == 1);
	CHECK(queue.error[4] == ENOBUFS && queue.error[5] == EMSGSIZE && by_hop[4] == 6);
	CHECK(queue.preferred == MIP_UNDERLAY_PACKET);
}

/* The device of a next hop is gone: that datagram goes by the raw socket, the way stays. */
static void a_hop_that_is_gone(void)
{
	static const int gone[] = { ENXIO, ENODEV, ENETDOWN };

	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
		begin();
		script[0] = gone[i];
		add(&known, 4);
		mip_send_flush(&queue, stop_fd);
		CHECK(raws_sent == 1 && by_raw[0] == 0 && hops_sent == 3 && errors(0) == 4);
		CHECK(queue.preferred == MIP_UNDERLAY_PACKET && !queue.fell_back);
	}
}

/* The way itself fails: it is left, what it did not send the raw socket does, and the errno is told. */
static void a_way_that_fails(void)
{
	begin();
	script[0] = script[1] = script[2] = script[3] = EPERM;
	add(&known, 4);
	mip_send_flush(&queue, stop_fd);
	CHECK(raws_sent == 4 && hops_sent == 0 && errors(0) == 4);
	CHECK(queue.preferred == MIP_UNDERLAY_RAW && queue.fell_back == EPERM);
	queue.count = 0;
	add(&known, 2);
	CHECK(queue.way[0] == MIP_UNDERLAY_RAW);
	mip_send_flush(&queue, stop_fd);
	CHECK(raws_sent == 6 && calls == 4);
	/* The raw socket's own refusals are the datagram's fate. */
	begin();
	raw_error = ENETUNREACH;
	add(&unknown, 3);
	mip_send_flush(&queue, stop_fd);
	CHECK(errors(ENETUNREACH) == 3 && !queue.fell_back);
}

/* Full: one wait for a batch, cut short when it is time to stop. */
static void no_room(void)
{
	uint64_t one = 1;

	begin();
	for (int i = 0; i < 8; i++)
		script[i] = EAGAIN;
	queue.ways[MIP_UNDERLAY_PACKET].fd = -1; /* never ready */
	CHECK(write(stop_fd, &one, sizeof(one)) == sizeof(one));
	add(&known, 5);
	mip_send_flush(&queue, stop_fd);
	CHECK(errors(EAGAIN) == 5 && raws_sent == 0 && queue.preferred == MIP_UNDERLAY_PACKET);
	CHECK(read(stop_fd, &one, sizeof(one)) == sizeof(one));
	/* Ready again: sent. */
	begin();
	script[0] = EAGAIN;
	add(&known, 5);
	mip_send_flush(&queue, -1);
	CHECK(errors(0) == 5 && hops_sent == 5);
}

/* By a port what it carries, by a packet socket what is too long, routed what has no next hop. */
static void ports_and_others(void)
{
	struct mip_packet long_one = { .data = packets, .len = 1001 };

	begin_ports();
	add(&known, 3);
	mip_send_add(&queue, &long_one, &known, 1);
	add(&unknown, 1);
	mip_send_flush(&queue, stop_fd);
	CHECK(ports_sent == 3 && hops_sent == 1 && raws_sent == 1 && !queue.lost.error);
	CHECK(queue.way[2] == MIP_UNDERLAY_XDP && queue.way[3] == MIP_UNDERLAY_PACKET);
	CHECK(queue.error[2] == EIO && errors(0) == 4);
}

/* Closed meanwhile, full, or broken: no datagram is lost but for want of room, and the other ways go on. */
static void a_port_that_is_gone(void)
{
	begin_ports();
	port_open = false;
	add(&known, 4);
	mip_send_flush(&queue, stop_fd);
	CHECK(raws_sent == 4 && errors(0) == 4 && !queue.lost.error && queue.preferred == MIP_UNDERLAY_XDP);
	begin_ports();
	port_error = ENOBUFS;
	add(&known, 4);
	mip_send_flush(&queue, stop_fd);
	CHECK(raws_sent == 0 && errors(ENOBUFS) == 4 && !queue.lost.error);
	begin_ports();
	port_error = ENETDOWN;
	add(&known, 4);
	mip_send_flush(&queue, stop_fd);
	CHECK(raws_sent == 4 && errors(0) == 4 && !queue.fell_back && queue.preferred == MIP_UNDERLAY_XDP);
	CHECK(queue.lost.ifindex == 7 && queue.lost.error == ENETDOWN &&
	      queue.lost.stage == MIP_STAGE_XDP_SEND);
	queue.count = 0;
	add(&known, 4);
	mip_send_flush(&queue, stop_fd);
	CHECK(hops_sent == 4 && errors(0) == 4);
}

int main(void)
{
	struct mip_way ways[MIP_UNDERLAY_KINDS] = { { NULL, 0 } };
	const struct mip_hop hop = { .ifindex = 7, .address = { 2, 0, 0, 0, 0, 1 } };
	void *memory = aligned_alloc(64, mip_hops_bytes());
	enum mip_stage stage;

	CHECK(memory);
	memset(memory, 0, mip_hops_bytes());
	mip_hops_init(&hops, memory, 1);
	CHECK(mip_hops_set(&hops, known.local_be, known.remote_be, &hop));
	stop_fd = eventfd(0, EFD_NONBLOCK);
	CHECK(stop_fd >= 0);
	CHECK(mip_ways_open(ways, MIP_UNDERLAY_PACKET, 0, &stage) == -EPERM && stage == MIP_STAGE_RAW);
	mip_ways_close(ways);
	known_hops_and_others();
	one_by_one();
	a_hop_that_is_gone();
	a_way_that_fails();
	no_room();
	ports_and_others();
	a_port_that_is_gone();
	free(memory);
	return 0;
}
