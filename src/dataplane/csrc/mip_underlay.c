#define _GNU_SOURCE
#include "mip_underlay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { SEND_WAIT_MS = 100 };

#define NAME(name, text) [MIP_UNDERLAY_##name] = text,

const char *const mip_underlay_names[MIP_UNDERLAY_KINDS] = { MIP_UNDERLAY_LIST(NAME) };

static bool raw_address(struct mip_send *s, uint32_t i, const struct mip_tunnel *t)
{
	(void)t;
	s->to[i].in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = s->remote_be[i] };
	s->message[i].msg_hdr.msg_namelen = sizeof(s->to[i].in);
	return true;
}

static bool packet_address(struct mip_send *s, uint32_t i, const struct mip_tunnel *t)
{
	struct mip_hop hop;

	if (!mip_hops_find(s->hops, t->local_be, t->remote_be, &hop))
		return false;
	s->to[i].ll = (struct sockaddr_ll){ .sll_family = AF_PACKET,
					    .sll_protocol = htons(ETH_P_IP),
					    .sll_ifindex = (int)hop.ifindex,
					    .sll_halen = MIP_HOP_ADDRESS };
	memcpy(s->to[i].ll.sll_addr, hop.address, MIP_HOP_ADDRESS);
	s->message[i].msg_hdr.msg_namelen = sizeof(s->to[i].ll);
	return true;
}

static int send_messages(struct mip_send *s, uint32_t i, uint32_t count)
{
	return sendmmsg(s->ways[s->way[i]].fd, s->message + i, count, 0);
}

/* As the packet socket, which thereby can have it instead. */
static bool xdp_address(struct mip_send *s, uint32_t i, const struct mip_tunnel *t)
{
	return packet_address(s, i, t) &&
	       mip_xdp_carries(s->xdp, (uint32_t)s->to[i].ll.sll_ifindex, s->len[i]);
}

static int xdp_send(struct mip_send *s, uint32_t i, uint32_t count)
{
	const uint32_t ifindex = (uint32_t)s->to[i].ll.sll_ifindex;
	struct mip_xdp_port *port = mip_xdp_take(s->xdp, ifindex, MIP_XDP_SENDER);
	uint32_t same = 1;
	int sent;

	if (!port) {
		errno = ENXIO;
		return -1;
	}
	while (same < count && s->to[i + same].ll.sll_ifindex == s->to[i].ll.sll_ifindex)
		same++;
	sent = mip_xdp_send(port, s->message + i, same, s->error + i);
	mip_xdp_release(port, MIP_XDP_SENDER);
	if (sent < 0 && errno != ENOBUFS) {
		/* The others of the batch will meet a port that is broken. */
		if (!s->lost.error)
			s->lost = (struct mip_xdp_loss){ ifindex, errno, MIP_STAGE_XDP_SEND };
		errno = ENXIO;
	}
	return sent;
}

const struct mip_underlay mip_underlays[MIP_UNDERLAY_KINDS] = {
	[MIP_UNDERLAY_RAW] = { mip_raw_open_send, raw_address, send_messages },
	[MIP_UNDERLAY_PACKET] = { mip_packet_open_underlay, packet_address, send_messages },
	[MIP_UNDERLAY_XDP] = { NULL, xdp_address, xdp_send },
};

static int open_way(struct mip_way ways[MIP_UNDERLAY_KINDS], enum mip_underlay_kind kind, uint32_t mark,
		    enum mip_stage *stage)
{
	int fd = -1;

	if (mip_underlays[kind].open) {
		fd = mip_underlays[kind].open(mark, stage);
		if (fd < 0)
			return fd;
	}
	ways[kind] = (struct mip_way){ &mip_underlays[kind], fd };
	return 0;
}

int mip_ways_open(struct mip_way ways[MIP_UNDERLAY_KINDS], enum mip_underlay_kind preferred, uint32_t mark,
		  enum mip_stage *stage)
{
	int error = 0;

	for (int kind = MIP_UNDERLAY_RAW; kind <= (int)preferred && !error; kind++)
		error = open_way(ways, (enum mip_underlay_kind)kind, mark, stage);
	return error;
}

void mip_ways_close(const struct mip_way ways[MIP_UNDERLAY_KINDS])
{
	for (int i = 0; i < MIP_UNDERLAY_KINDS; i++)
		if (ways[i].underlay)
			mip_close(ways[i].fd);
}

void mip_send_init(struct mip_send *s, const struct mip_way ways[MIP_UNDERLAY_KINDS],
		   enum mip_underlay_kind preferred, const struct mip_hops *hops, struct mip_xdp *xdp)
{
	memset(s, 0, sizeof(*s));
	memcpy(s->ways, ways, sizeof(s->ways));
	s->preferred = preferred;
	s->hops = hops;
	s->xdp = xdp;
	for (int i = 0; i < MIP_BATCH; i++) {
		s->message[i].msg_hdr.msg_name = &s->to[i];
		s->message[i].msg_hdr.msg_iov = s->iov[i];
	}
}

void mip_send_add(struct mip_send *s, const struct mip_packet *p, const struct mip_tunnel *t, uint32_t inner)
{
	uint32_t i = s->count++;

	s->iov[i][0] = (struct iovec){ p->data, p->len - p->tail_len };
	s->iov[i][1] = (struct iovec){ (void *)(uintptr_t)p->tail, p->tail_len };
	s->message[i].msg_hdr.msg_iovlen = p->tail_len ? 2 : 1;
	s->len[i] = p->len;
	s->index[i] = t->index;
	s->inner[i] = inner;
	s->error[i] = 0;
	s->remote_be[i] = t->remote_be;
	s->way[i] = (uint8_t)s->preferred;
	/* The first, the raw socket, can send anything. */
	while (!s->ways[s->way[i]].underlay->address(s, i, t))
		s->way[i]--;
}

bool mip_send_wait(int fd, int stop_fd)
{
	struct pollfd fds[] = { { fd, POLLOUT, 0 }, { stop_fd, POLLIN, 0 } };

	return poll(fds, 2, SEND_WAIT_MS) > 0 && (fds[0].revents & POLLOUT);
}

/* What another way would meet too. */
static bool is_everybodys(int error)
{
	return error == EAGAIN || error == ENOBUFS || error == ENOMEM || error == EMSGSIZE;
}

/* Of the device the next hop is on, which the control plane will soon tell of. */
static bool is_the_hops(int error)
{
	return error == ENXIO || error == ENODEV || error == ENETDOWN;
}

/* The raw socket has the datagram now; and all others, if the way itself failed. */
static void fall_back(struct mip_send *s, uint32_t i, int error)
{
	s->way[i] = MIP_UNDERLAY_RAW;
	raw_address(s, i, NULL);
	if (!is_the_hops(error)) {
		s->preferred = MIP_UNDERLAY_RAW;
		s->fell_back = error;
	}
}

static uint32_t run_length(const struct mip_send *s, uint32_t from)
{
	uint32_t to = from + 1;

	while (to < s->count && s->way[to] == s->way[from])
		to++;
	return to - from;
}

void mip_send_flush(struct mip_send *s, int stop_fd)
{
	uint32_t done = 0;
	bool blocked = false;

	while (done < s->count) {
		const struct mip_way *way = &s->ways[s->way[done]];
		int sent = way->underlay->send(s, done, run_length(s, done));

		if (sent > 0) {
			done += (uint32_t)sent;
			continue;
		}
		if (errno == EINTR)
			continue;
		/* One wait for a batch: what then still does not fit is dropped, and counted. */
		if (errno == EAGAIN && !blocked) {
			blocked = !mip_send_wait(way->fd, stop_fd);
			if (!blocked)
				continue;
			errno = EAGAIN;
		}
		if (s->way[done] != MIP_UNDERLAY_RAW && !is_everybodys(errno))
			fall_back(s, done, errno);
		else
			s->error[done++] = errno;
	}
}
