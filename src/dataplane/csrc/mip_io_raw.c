#define _GNU_SOURCE
#include "mip_io.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { SEND_WAIT_MS = 100 };

/* The forced size needs CAP_NET_ADMIN; without it the administrator's limit holds. */
static void set_buffer(int fd, int forced, int plain)
{
	int size = MIP_SOCKET_BUFFER;

	if (setsockopt(fd, SOL_SOCKET, forced, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, plain, &size, sizeof(size));
}

/* Accepts no packet. */
static struct sock_filter refuse[] = { BPF_STMT(BPF_RET | BPF_K, 0) };
static const struct sock_fprog nothing = { 1, refuse };

int mip_raw_open_receive(enum mip_encap type, enum mip_stage *stage)
{
	int fd;

	*stage = MIP_STAGE_RAW;
	fd = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, (int)type);
	if (fd < 0)
		return -errno;
	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
	if (type != MIP_ENCAP_IPIP &&
	    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &nothing, sizeof(nothing)) < 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	return fd;
}

int mip_raw_accept(int fd)
{
	int unused = 0;

	/* ENOENT: it has no filter, or no longer. */
	if (setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused)) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

int mip_raw_open_send(uint32_t mark, enum mip_stage *stage)
{
	int fd, error;

	*stage = MIP_STAGE_RAW;
	/* IPPROTO_RAW: our header is used as it is, and nothing is ever received. */
	fd = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_RAW);
	if (fd < 0)
		return -errno;
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
	if (mark) {
		*stage = MIP_STAGE_MARK;
		if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0) {
			error = -errno;
			close(fd);
			return error;
		}
	}
	return fd;
}

uint32_t mip_raw_overflow(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) < 0)
		return 0;
	return info[SK_MEMINFO_DROPS];
}

void mip_send_init(struct mip_send *s)
{
	memset(s, 0, sizeof(*s));
	for (int i = 0; i < MIP_BATCH; i++) {
		s->to[i].sin_family = AF_INET;
		s->message[i].msg_hdr.msg_name = &s->to[i];
		s->message[i].msg_hdr.msg_namelen = sizeof(s->to[i]);
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
	s->to[i].sin_addr.s_addr = t->remote_be;
	s->index[i] = t->index;
	s->inner[i] = inner;
	s->error[i] = 0;
}

static bool wait_for_space(int fd, int stop_fd)
{
	struct pollfd fds[] = { { fd, POLLOUT, 0 }, { stop_fd, POLLIN, 0 } };

	return poll(fds, 2, SEND_WAIT_MS) > 0 && (fds[0].revents & POLLOUT);
}

void mip_send_flush(struct mip_send *s, int fd, int stop_fd)
{
	uint32_t done = 0;
	bool blocked = false;

	while (done < s->count) {
		int sent = sendmmsg(fd, s->message + done, s->count - done, 0);

		if (sent > 0) {
			done += (uint32_t)sent;
			continue;
		}
		if (errno == EINTR)
			continue;
		/* One wait for a batch: what then still does not fit is dropped, and counted. */
		if (errno == EAGAIN && !blocked) {
			blocked = !wait_for_space(fd, stop_fd);
			if (!blocked)
				continue;
		}
		s->error[done++] = errno;
	}
}
