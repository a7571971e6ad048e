#define _GNU_SOURCE
#include "mip_xdp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mip_bpf.h"
#include "mip_bytes.h"
#include "mip_ipv4.h"
#include "mip_redirect.h"

enum { KEYS_MOST = 3 * 2 * MIP_HOPS_MAX, LATER_MS = 1, LATER_TIMES = 10, REFUSED_MOST = 16 };

void mip_xdp_init(struct mip_xdp *x)
{
	x->keys_fd = x->kick_fd = -1;
	x->protocols[0] = MIP_ENCAP_IPIP;
	x->protocol_count = 1;
}

int mip_xdp_open(struct mip_xdp *x, enum mip_stage *stage)
{
	*stage = MIP_STAGE_XDP;
	x->keys_fd = mip_bpf_open_keys(sizeof(struct mip_redirect_key), KEYS_MOST);
	if (x->keys_fd < 0)
		return x->keys_fd;
	x->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return x->kick_fd < 0 ? -errno : 0;
}

/* ---- opening and closing */

/* What the receiver sleeps on is out of date. */
static void kick(const struct mip_xdp *x)
{
	const uint64_t one = 1;
	const ssize_t written = write(x->kick_fd, &one, sizeof(one));

	(void)written; /* fails only when it is readable anyway */
}

/* Also what may have changed since. */
static int look_after(struct mip_xdp_port *p)
{
	uint32_t mtu, most = MIP_XSK_FRAME - MIP_XSK_ETHERNET;
	uint64_t own;
	int error = mip_xsk_look(p->wanted, &own, &mtu);

	if (error)
		return error;
	atomic_store_explicit(&p->own, own, memory_order_relaxed);
	atomic_store_explicit(&p->widest, mtu < most ? mtu : most, memory_order_relaxed);
	return 0;
}

static int open_port(const struct mip_xdp *x, struct mip_xdp_port *p, enum mip_stage *stage)
{
	int error;

	*stage = MIP_STAGE_XDP_PROGRAM;
	error = look_after(p);
	if (!error)
		error = mip_xsk_open(&p->sockets, p->wanted, x->keys_fd, stage);
	if (error)
		return error;
	mip_xsk_frames_init(&p->frames, p->sockets.memory_len - (size_t)MIP_XSK_SEND * MIP_XSK_FRAME);
	p->refused = 0;
	atomic_store(&p->broken, false);
	atomic_store(&p->ifindex, p->wanted);
	kick(x);
	return 0;
}

/* False if it was not open. */
static bool close_port(struct mip_xdp *x, struct mip_xdp_port *p)
{
	if (!atomic_load(&p->ifindex))
		return false;
	atomic_store(&p->ifindex, 0);
	kick(x);
	/* A batch's time. */
	for (int i = 0; i < MIP_XDP_USERS; i++)
		while (atomic_load(&p->busy[i]))
			poll(NULL, 0, LATER_MS);
	x->lost += mip_xsk_lost(&p->sockets);
	mip_xsk_close(&p->sockets);
	return true;
}

void mip_xdp_close(struct mip_xdp *x)
{
	for (int i = 0; i < MIP_XDP_PORTS; i++)
		close_port(x, &x->ports[i]);
	mip_close(x->keys_fd);
	mip_close(x->kick_fd);
}

/* The one for the interface, or for 0 a free one. */
static struct mip_xdp_port *find(struct mip_xdp *x, uint32_t ifindex)
{
	for (int i = 0; i < MIP_XDP_PORTS; i++)
		if (x->ports[i].wanted == ifindex)
			return &x->ports[i];
	return NULL;
}

struct mip_xdp_loss mip_xdp_join(struct mip_xdp *x, uint32_t ifindex, bool known)
{
	struct mip_xdp_loss loss = { .ifindex = ifindex };
	struct mip_xdp_port *p = find(x, ifindex);
	bool fresh = !p;

	if (fresh)
		p = find(x, 0);
	if (!p)
		return loss; /* more interfaces than ports: they have the other underlays */
	p->wanted = ifindex;
	p->hops += !known;
	/* One that was refused is not asked again before the last hop has left it. */
	if (atomic_load(&p->broken) && close_port(x, p))
		fresh = true;
	if (fresh)
		loss.error = -open_port(x, p, &loss.stage);
	else
		(void)look_after(p); /* if the interface is gone, its hops will leave */
	return loss;
}

struct mip_xdp_loss mip_xdp_leave(struct mip_xdp *x, uint32_t ifindex)
{
	struct mip_xdp_loss loss = { .ifindex = ifindex, .stage = MIP_STAGE_XDP_SEND };
	struct mip_xdp_port *p = find(x, ifindex);

	if (!p || --p->hops)
		return loss;
	if (close_port(x, p) && !atomic_load(&p->broken))
		loss.error = -look_after(p); /* it went with its interface */
	p->wanted = 0;
	return loss;
}

/* ---- what is taken */

static void change_key(const struct mip_xdp *x, uint32_t local_be, uint32_t remote_be, uint8_t protocol,
		       bool expected)
{
	const struct mip_redirect_key key = { .source_be = remote_be,
					      .destination_be = local_be,
					      .protocol = protocol };

	/* Without it the kernel has them: the raw socket. */
	if (expected)
		(void)mip_bpf_add_key(x->keys_fd, &key);
	else
		(void)mip_bpf_remove_key(x->keys_fd, &key);
}

void mip_xdp_expect(struct mip_xdp *x, uint32_t local_be, uint32_t remote_be, bool expected)
{
	for (int i = 0; i < x->protocol_count; i++)
		change_key(x, local_be, remote_be, x->protocols[i], expected);
}

void mip_xdp_accept(struct mip_xdp *x, const struct mip_hops *hops, enum mip_encap type)
{
	uint32_t cursor = 0, local_be, remote_be;

	if (x->keys_fd < 0 || memchr(x->protocols, (int)type, x->protocol_count))
		return;
	x->protocols[x->protocol_count++] = (uint8_t)type;
	while (mip_hops_next(hops, &cursor, &local_be, &remote_be))
		change_key(x, local_be, remote_be, (uint8_t)type, true);
}

uint64_t mip_xdp_overflow(const struct mip_xdp *x)
{
	uint64_t lost = x->lost;

	for (int i = 0; i < MIP_XDP_PORTS; i++)
		if (atomic_load(&x->ports[i].ifindex))
			lost += mip_xsk_lost(&x->ports[i].sockets);
	return lost;
}

/* ---- the threads */

bool mip_xdp_carries(const struct mip_xdp *x, uint32_t ifindex, uint32_t len)
{
	for (int i = 0; i < MIP_XDP_PORTS; i++) {
		const struct mip_xdp_port *p = &x->ports[i];

		if (atomic_load_explicit(&p->ifindex, memory_order_relaxed) == ifindex)
			return !atomic_load_explicit(&p->broken, memory_order_relaxed) &&
			       len <= atomic_load_explicit(&p->widest, memory_order_relaxed);
	}
	return false;
}

struct mip_xdp_port *mip_xdp_take_any(struct mip_xdp *x, uint32_t i, enum mip_xdp_user user)
{
	struct mip_xdp_port *p = &x->ports[i];

	if (!atomic_load_explicit(&p->ifindex, memory_order_relaxed))
		return NULL;
	/* In this order for all to see: close_port() has the other one. */
	atomic_store(&p->busy[user], true);
	if (atomic_load(&p->ifindex))
		return p;
	mip_xdp_release(p, user);
	return NULL;
}

struct mip_xdp_port *mip_xdp_take(struct mip_xdp *x, uint32_t ifindex, enum mip_xdp_user user)
{
	for (uint32_t i = 0; i < MIP_XDP_PORTS; i++) {
		struct mip_xdp_port *p;

		if (atomic_load_explicit(&x->ports[i].ifindex, memory_order_relaxed) != ifindex)
			continue;
		p = mip_xdp_take_any(x, i, user);
		if (!p || atomic_load_explicit(&p->ifindex, memory_order_relaxed) == ifindex)
			return p;
		mip_xdp_release(p, user);
	}
	return NULL;
}

void mip_xdp_release(struct mip_xdp_port *p, enum mip_xdp_user user)
{
	atomic_store_explicit(&p->busy[user], false, memory_order_release);
}

/* Until the kernel has taken all that is queued, or will later; an errno if it never will. */
static int hand_over(struct mip_xdp_sockets *s, uint32_t from, uint32_t count, int *error)
{
	uint32_t before = atomic_load_explicit(s->send.consumer, memory_order_acquire);

	for (int waits = 0; waits < LATER_TIMES;) {
		uint32_t now, last;

		/* A driver that sends without a copy may be at it already. */
		if (s->zero_copy && !mip_xsk_sleeps(&s->send))
			return 0;
		if (sendto(s->send_fd, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0)
			return 0;
		if (errno != EBUSY && errno != EAGAIN && errno != EINTR && errno != ENOBUFS &&
		    errno != ENOMEM)
			return errno;
		now = atomic_load_explicit(s->send.consumer, memory_order_acquire);
		/* The device threw away the last one that was taken. */
		last = now - from - 1;
		if (errno == EBUSY && now != before && last < count)
			error[last] = ENOBUFS;
		if (now == before && errno != EINTR) {
			poll(NULL, 0, LATER_MS);
			waits++;
		}
		before = now;
	}
	return 0;
}

int mip_xdp_send(struct mip_xdp_port *p, const struct mmsghdr *messages, uint32_t count, int *error)
{
	struct mip_xdp_sockets *s = &p->sockets;
	const uint64_t own = atomic_load_explicit(&p->own, memory_order_relaxed);
	const uint32_t from = s->send.own;
	uint8_t source[MIP_HOP_ADDRESS];
	int broken;

	if (atomic_load_explicit(&p->broken, memory_order_relaxed)) {
		errno = ENXIO;
		return -1;
	}
	memcpy(source, &own, sizeof(source));
	mip_xsk_reclaim(&p->frames, &s->completions);
	if (count > p->frames.count)
		count = p->frames.count;
	for (uint32_t i = 0; i < count; i++) {
		const struct msghdr *m = &messages[i].msg_hdr;
		const struct sockaddr_ll *to = m->msg_name;

		mip_xsk_queue(&s->send, &p->frames, s->memory, to->sll_addr, source, m->msg_iov,
			      m->msg_iovlen);
	}
	mip_xsk_produced(&s->send);
	broken = hand_over(s, from, count, error);
	if (broken) {
		/* What is queued goes with the socket. */
		atomic_store_explicit(&p->broken, true, memory_order_relaxed);
		errno = broken;
		return -1;
	}
	if (count)
		return (int)count;
	errno = ENOBUFS;
	return -1;
}

int mip_xdp_send_whole(struct mip_xdp_port *p, const struct mip_hop *hop, uint8_t *datagram, uint32_t len,
		       const uint8_t header[MIP_OFFLOAD_HEADER])
{
	const struct sockaddr_ll to = { .sll_family = AF_PACKET,
					.sll_protocol = htons(ETH_P_IP),
					.sll_ifindex = (int)hop->ifindex };
	const uint64_t own = atomic_load_explicit(&p->own, memory_order_relaxed);
	uint8_t *frame = datagram - MIP_XSK_ETHERNET, *start = frame - MIP_OFFLOAD_HEADER;

	if (p->sockets.whole_fd < 0 || p->refused == REFUSED_MOST)
		return EOPNOTSUPP;
	memcpy(start, header, MIP_OFFLOAD_HEADER);
	memcpy(frame, hop->address, MIP_HOP_ADDRESS);
	memcpy(frame + MIP_HOP_ADDRESS, &own, MIP_HOP_ADDRESS);
	mip_store16(frame + 2 * MIP_HOP_ADDRESS, ETH_P_IP);
	if (sendto(p->sockets.whole_fd, start, MIP_OFFLOAD_HEADER + MIP_XSK_ETHERNET + len, MSG_DONTWAIT,
		   (const struct sockaddr *)&to, sizeof(to)) >= 0) {
		p->refused = 0;
		return 0;
	}
	p->refused += errno != EAGAIN;
	return errno;
}

uint32_t mip_xdp_watch(struct mip_xdp *x, int fds[MIP_XDP_WATCHED])
{
	uint64_t kicks;
	ssize_t got = read(x->kick_fd, &kicks, sizeof(kicks));
	uint32_t count = 0;

	(void)got; /* from here on it tells of changes that are not seen below */
	fds[count++] = x->kick_fd;
	for (uint32_t i = 0; i < MIP_XDP_PORTS; i++) {
		struct mip_xdp_port *p = mip_xdp_take_any(x, i, MIP_XDP_RECEIVER);

		if (!p)
			continue;
		for (uint32_t queue = 0; queue < p->sockets.queues; queue++)
			fds[count++] = p->sockets.queue[queue].fd;
		mip_xdp_release(p, MIP_XDP_RECEIVER);
	}
	return count;
}

uint32_t mip_xdp_receive(struct mip_xdp_port *p, uint32_t queue, uint32_t before,
			 struct mip_packet packets[MIP_BATCH])
{
	struct mip_xsk_ring *received = &p->sockets.queue[queue].received;
	uint32_t count = mip_xsk_ready(received) - before;

	if (count > MIP_BATCH)
		count = MIP_BATCH;
	for (uint32_t i = 0; i < count; i++)
		packets[i] =
			mip_xsk_packet(p->sockets.memory, mip_xsk_desc(received, received->own + before + i));
	return count;
}

void mip_xdp_return(struct mip_xdp_port *p, uint32_t queue, uint32_t count)
{
	struct mip_xdp_queue *q = &p->sockets.queue[queue];

	mip_xsk_refill(&q->fill, &q->received, count);
	/* A driver that found no frame waits to be told of new ones. */
	if (p->sockets.zero_copy && mip_xsk_sleeps(&q->fill))
		(void)recvfrom(q->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}
