/* mip_io_xsk.c - a port's program, sockets and memory: made, and given back. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mip_bpf.h"
#include "mip_redirect.h"
#include "mip_whole.h"
#include "mip_xdp.h"

#ifndef AF_XDP
#define AF_XDP 44
#endif
#ifndef SOL_XDP
#define SOL_XDP 283
#endif

/* Linux 6.17 on: how many frames go by one system call. */
enum { XDP_SEND_BUDGET = 9 };

/* The most: more than a TCP window, which otherwise overflows them while the receiver waits for its turn. */
enum { RECEIVE_MOST = 4096, RECEIVE_LEAST = 256, RECEIVE_ALL = 32768 };

/* A queue is free again a little while after the socket that had it was closed. */
enum { AGAIN_MS = 5, AGAIN_TIMES = 40 };

static int ask(unsigned long what, struct ifreq *request, uint32_t ifindex)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), error = 0;
	void *data = request->ifr_data;

	if (fd < 0)
		return -errno;
	request->ifr_ifindex = (int)ifindex;
	if (ioctl(fd, SIOCGIFNAME, request) < 0)
		error = -errno;
	if (what == SIOCETHTOOL)
		request->ifr_data = data;
	if (!error && ioctl(fd, what, request) < 0)
		error = -errno;
	close(fd);
	return error;
}

int mip_xsk_look(uint32_t ifindex, uint64_t *own, uint32_t *mtu)
{
	struct ifreq request = { 0 };
	int error = ask(SIOCGIFHWADDR, &request, ifindex);

	if (error)
		return error;
	*own = 0;
	memcpy(own, request.ifr_hwaddr.sa_data, MIP_HOP_ADDRESS);
	error = ask(SIOCGIFMTU, &request, ifindex);
	*mtu = (uint32_t)request.ifr_mtu;
	return error;
}

/* Those that a driver does not tell of, and those beyond the last that has a socket, pass on to the kernel. */
static uint32_t count_queues(uint32_t ifindex)
{
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };
	struct ifreq request = { .ifr_data = (void *)&channels };
	uint32_t count = 1;

	if (ask(SIOCETHTOOL, &request, ifindex) == 0)
		count = channels.rx_count + channels.combined_count;
	if (count > MIP_XDP_QUEUES)
		return MIP_XDP_QUEUES;
	return count ? count : 1;
}

static int map_memory(struct mip_xdp_sockets *s)
{
	s->frames = RECEIVE_MOST;
	while (s->frames > RECEIVE_LEAST && s->frames * s->queues > RECEIVE_ALL)
		s->frames /= 2;
	s->memory_len = ((size_t)s->frames * s->queues + MIP_XSK_SEND) * MIP_XSK_FRAME;
	s->memory = mmap(NULL, s->memory_len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (s->memory != MAP_FAILED)
		return 0;
	s->memory = NULL;
	return -errno;
}

static int attach(struct mip_xdp_sockets *s, uint32_t ifindex, int keys_fd)
{
	struct bpf_insn code[MIP_REDIRECT_MAX];
	uint32_t count;

	s->map_fd = mip_bpf_open_sockets(s->queues);
	if (s->map_fd < 0)
		return s->map_fd;
	count = mip_redirect_program(code, keys_fd, s->map_fd);
	s->program_fd = mip_bpf_load_xdp(code, count);
	if (s->program_fd < 0)
		return s->program_fd;
	s->link_fd = mip_bpf_attach_xdp(s->program_fd, ifindex, false);
	s->generic = s->link_fd < 0 && s->link_fd != -EBUSY && s->link_fd != -EEXIST;
	if (s->generic)
		s->link_fd = mip_bpf_attach_xdp(s->program_fd, ifindex, true);
	return s->link_fd < 0 ? s->link_fd : 0;
}

static int set(int fd, int option, const void *value, socklen_t len)
{
	return setsockopt(fd, SOL_XDP, option, value, len) < 0 ? -errno : 0;
}

static int map_ring(struct mip_xdp_sockets *s, struct mip_xsk_ring *ring, int fd,
		    const struct xdp_ring_offset *at, uint32_t size, size_t entry, uint64_t page)
{
	size_t len = at->desc + size * entry;
	uint8_t *start = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, (off_t)page);

	if (start == MAP_FAILED)
		return -errno;
	s->maps[s->mapped++] = (struct mip_xdp_map){ start, len };
	*ring = (struct mip_xsk_ring){ .producer = (_Atomic uint32_t *)(void *)(start + at->producer),
				       .consumer = (_Atomic uint32_t *)(void *)(start + at->consumer),
				       .flags = (_Atomic uint32_t *)(void *)(start + at->flags),
				       .entries = start + at->desc,
				       .size = size };
	return 0;
}

static int offsets_of(int fd, struct xdp_mmap_offsets *offsets)
{
	socklen_t len = sizeof(*offsets);

	if (getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, offsets, &len) < 0)
		return -errno;
	/* Before Linux 5.4 there were no flags; then there is no link for a program either. */
	return len == sizeof(*offsets) ? 0 : -EOPNOTSUPP;
}

static int bind_queue(int fd, uint32_t ifindex, uint32_t queue, int shared_fd, uint16_t flags)
{
	const struct sockaddr_xdp to = { .sxdp_family = AF_XDP,
					 .sxdp_flags = flags,
					 .sxdp_ifindex = ifindex,
					 .sxdp_queue_id = queue,
					 .sxdp_shared_umem_fd = (uint32_t)shared_fd };

	for (int i = 0; bind(fd, (const struct sockaddr *)&to, sizeof(to)) < 0; i++) {
		if (errno != EBUSY || i == AGAIN_TIMES)
			return -errno;
		poll(NULL, 0, AGAIN_MS);
	}
	return 0;
}

static bool is_zero_copy(int fd)
{
	struct xdp_options options = { 0 };
	socklen_t len = sizeof(options);

	return getsockopt(fd, SOL_XDP, XDP_OPTIONS, &options, &len) == 0 &&
	       options.flags & XDP_OPTIONS_ZEROCOPY;
}

/* The first has the memory, and the others share it. */
static int open_queue(struct mip_xdp_sockets *s, uint32_t ifindex, uint32_t queue)
{
	const struct xdp_umem_reg memory = { .addr = (uint64_t)(uintptr_t)s->memory,
					     .len = s->memory_len,
					     .chunk_size = MIP_XSK_FRAME };
	const uint32_t send = MIP_XSK_SEND;
	struct mip_xdp_queue *q = &s->queue[queue];
	struct xdp_mmap_offsets at;
	uint64_t first = (uint64_t)queue * s->frames * MIP_XSK_FRAME;
	int error;

	q->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (q->fd < 0)
		return -errno;
	error = queue == 0 ? set(q->fd, XDP_UMEM_REG, &memory, sizeof(memory)) : 0;
	if (!error)
		error = set(q->fd, XDP_UMEM_FILL_RING, &s->frames, sizeof(s->frames));
	if (!error)
		error = set(q->fd, XDP_UMEM_COMPLETION_RING, &send, sizeof(send));
	if (!error)
		error = set(q->fd, XDP_RX_RING, &s->frames, sizeof(s->frames));
	if (!error)
		error = offsets_of(q->fd, &at);
	if (!error)
		error = map_ring(s, &q->received, q->fd, &at.rx, s->frames, sizeof(struct xdp_desc),
				 XDP_PGOFF_RX_RING);
	if (!error)
		error = map_ring(s, &q->fill, q->fd, &at.fr, s->frames, sizeof(uint64_t),
				 XDP_UMEM_PGOFF_FILL_RING);
	if (!error && queue == 0)
		error = map_ring(s, &s->completions, q->fd, &at.cr, send, sizeof(uint64_t),
				 XDP_UMEM_PGOFF_COMPLETION_RING);
	if (error)
		return error;
	for (uint32_t i = 0; i < s->frames; i++)
		*mip_xsk_address(&q->fill, q->fill.own++) = first + (uint64_t)i * MIP_XSK_FRAME;
	mip_xsk_produced(&q->fill);
	if (queue)
		return bind_queue(q->fd, ifindex, queue, s->queue[0].fd, XDP_SHARED_UMEM);
	/* Without a copy where the driver can, which a program in the kernel would be too late for. */
	error = bind_queue(q->fd, ifindex, queue, 0, XDP_USE_NEED_WAKEUP | (s->generic ? XDP_COPY : 0));
	s->zero_copy = !error && is_zero_copy(q->fd);
	return error;
}

/* Another than the first queue's: who waits there for what comes would otherwise send as well, and lock. */
static int open_send(struct mip_xdp_sockets *s, uint32_t ifindex)
{
	const uint32_t size = MIP_XSK_SEND, budget = MIP_BATCH;
	int buffer = MIP_SOCKET_BUFFER, error;
	struct xdp_mmap_offsets at;

	s->send_fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (s->send_fd < 0)
		return -errno;
	(void)setsockopt(s->send_fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
	(void)set(s->send_fd, XDP_SEND_BUDGET, &budget, sizeof(budget));
	error = set(s->send_fd, XDP_TX_RING, &size, sizeof(size));
	if (!error)
		error = offsets_of(s->send_fd, &at);
	if (!error)
		error = map_ring(s, &s->send, s->send_fd, &at.tx, size, sizeof(struct xdp_desc),
				 XDP_PGOFF_TX_RING);
	return error ? error : bind_queue(s->send_fd, ifindex, 0, s->queue[0].fd, XDP_SHARED_UMEM);
}

int mip_xsk_open(struct mip_xdp_sockets *s, uint32_t ifindex, int keys_fd, enum mip_stage *stage)
{
	int error;

	memset(s, 0, sizeof(*s));
	s->link_fd = s->program_fd = s->map_fd = s->send_fd = s->whole_fd = s->whole_link_fd = -1;
	s->queues = count_queues(ifindex);
	for (uint32_t i = 0; i < s->queues; i++)
		s->queue[i].fd = -1;
	*stage = MIP_STAGE_XDP_PROGRAM;
	error = attach(s, ifindex, keys_fd);
	if (!error) {
		*stage = MIP_STAGE_XDP_SOCKET;
		error = map_memory(s);
	}
	for (uint32_t i = 0; i < s->queues && !error; i++)
		error = open_queue(s, ifindex, i);
	if (!error)
		error = open_send(s, ifindex);
	/* Only now is anything redirected. */
	for (uint32_t i = 0; i < s->queues && !error; i++)
		error = mip_bpf_set_socket(s->map_fd, i, s->queue[i].fd);
	if (error)
		mip_xsk_close(s);
	else
		s->whole_fd = mip_whole_open(ifindex, &s->whole_link_fd);
	return error;
}

void mip_xsk_close(struct mip_xdp_sockets *s)
{
	/* The program first: from then on the kernel gets what comes. */
	mip_close(s->link_fd);
	mip_close(s->whole_link_fd);
	mip_close(s->whole_fd);
	mip_close(s->send_fd);
	for (uint32_t i = s->queues; i-- > 0;)
		mip_close(s->queue[i].fd);
	mip_close(s->program_fd);
	mip_close(s->map_fd);
	for (uint32_t i = 0; i < s->mapped; i++)
		munmap(s->maps[i].start, s->maps[i].len);
	if (s->memory)
		munmap(s->memory, s->memory_len);
	memset(s, 0, sizeof(*s));
}

uint64_t mip_xsk_lost(const struct mip_xdp_sockets *s)
{
	uint64_t lost = 0;

	for (uint32_t i = 0; i < s->queues; i++) {
		struct xdp_statistics seen = { 0 };
		socklen_t len = sizeof(seen);

		if (getsockopt(s->queue[i].fd, SOL_XDP, XDP_STATISTICS, &seen, &len) == 0)
			lost += seen.rx_dropped + seen.rx_ring_full;
	}
	return lost;
}
