#define _GNU_SOURCE
#include "mip_io.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <unistd.h>

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

int mip_raw_open_link(const char *interface, enum mip_stage *stage)
{
	int fd = mip_raw_open_send(0, stage), error;

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface, (socklen_t)strlen(interface) + 1) == 0)
		return fd;
	error = -errno;
	close(fd);
	return error;
}

int mip_raw_bind(int fd, uint32_t address_be)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr = { address_be } };
	int yes = 1;

	if (setsockopt(fd, SOL_IP, IP_FREEBIND, &yes, sizeof(yes)) < 0 ||
	    bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	return 0;
}

uint32_t mip_raw_overflow(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) < 0)
		return 0;
	return info[SK_MEMINFO_DROPS];
}
