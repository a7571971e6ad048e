/* mip_io_whole.c - the socket by which super-packets go into tunnels as they are. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include "mip_bpf.h"
#include "mip_io.h"
#include "mip_whole.h"

static int attach(int fd, uint32_t ifindex)
{
	struct bpf_insn code[MIP_WHOLE_MAX];
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);
	int program_fd, link_fd;

	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) < 0)
		return -errno;
	program_fd = mip_bpf_load_tc(code, mip_whole_program(code, cookie));
	if (program_fd < 0)
		return program_fd;
	link_fd = mip_bpf_attach_egress(program_fd, ifindex);
	mip_close(program_fd); /* the link holds it */
	return link_fd;
}

int mip_whole_open(uint32_t ifindex, int *link_fd)
{
	enum mip_stage stage;
	int fd = mip_packet_open_send(&stage), size = MIP_SOCKET_BUFFER;

	if (fd < 0)
		return fd;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	*link_fd = attach(fd, ifindex);
	if (*link_fd >= 0)
		return fd;
	mip_close(fd);
	return *link_fd;
}
