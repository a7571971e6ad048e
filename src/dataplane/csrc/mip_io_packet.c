#define _GNU_SOURCE
#include "mip_io.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { SOURCE = 12, DESTINATION = 16 }; /* of an IPv4 header */

/* The groups that are forwarded begin behind those of one link (RFC 5771 4), and end where 240.0.0.0 begins. */
#define GROUPS_FROM 0xe0000100u
#define GROUPS_END 0xf0000000u

/* Before it is bound: not one packet comes in that the filter has not seen. */
static int attach_filter(int fd, uint32_t directed_be, bool multicasts)
{
	uint32_t directed = directed_be ? ntohl(directed_be) : INADDR_BROADCAST;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_MULTICAST, 6, 0),
		/* PACKET_HOST and PACKET_BROADCAST; neither others', nor our own. */
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, PACKET_BROADCAST, 4, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_NET_OFF + DESTINATION)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, INADDR_BROADCAST, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, directed, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_NET_OFF + DESTINATION)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, multicasts ? GROUPS_FROM : UINT32_MAX, 0, 2),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, GROUPS_END, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno : 0;
}

int mip_packet_open(const char *interface, uint32_t directed_be, bool multicasts, enum mip_stage *stage)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP) };
	struct ifreq request = { 0 };
	int fd, error, size = MIP_SOCKET_BUFFER;

	*stage = MIP_STAGE_WATCH;
	fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	strncpy(request.ifr_name, interface, sizeof(request.ifr_name) - 1);
	error = ioctl(fd, SIOCGIFINDEX, &request) < 0 ? -errno : attach_filter(fd, directed_be, multicasts);
	/* Streams come in bursts; without the capability what the administrator allows has to do. */
	if (multicasts)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	to.sll_ifindex = request.ifr_ifindex;
	if (!error && bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		error = -errno;
	if (error) {
		close(fd);
		return error;
	}
	return fd;
}

static int open_packet(enum mip_stage *stage)
{
	int yes = 1, fd;

	*stage = MIP_STAGE_LINK;
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &yes, sizeof(yes)) < 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	return fd;
}

int mip_packet_open_send(enum mip_stage *stage)
{
	return open_packet(stage);
}

int mip_packet_open_link(uint32_t ifindex, enum mip_stage *stage)
{
	const struct sockaddr_ll to = { .sll_family = AF_PACKET,
					.sll_protocol = htons(ETH_P_IP),
					.sll_ifindex = (int)ifindex };
	int fd = open_packet(stage), size = MIP_SOCKET_BUFFER, error;

	if (fd < 0)
		return fd;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	error = mip_packet_accept(fd, NULL, 0);
	if (!error && bind(fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
		error = -errno;
	if (error) {
		close(fd);
		return error;
	}
	return fd;
}

/* To this host only: group addresses are not reverse-tunnelled with direct delivery (RFC 3024 5.1). */
int mip_packet_accept(int fd, const uint32_t *sources_be, uint32_t count)
{
	struct sock_filter code[5 + 2 * MIP_SOURCES_MAX];
	struct sock_fprog program = { 0, code };

	if (count > MIP_SOURCES_MAX)
		return -ENOSPC;
#define ADD(...) (code[program.len++] = (struct sock_filter)__VA_ARGS__)
	ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)));
	ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_HOST, 1, 0));
	ADD(BPF_STMT(BPF_RET | BPF_K, 0));
	ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_NET_OFF + SOURCE)));
	for (uint32_t i = 0; i < count; i++) {
		ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohl(sources_be[i]), 0, 1));
		ADD(BPF_STMT(BPF_RET | BPF_K, UINT32_MAX));
	}
	ADD(BPF_STMT(BPF_RET | BPF_K, 0));
#undef ADD
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno : 0;
}

int mip_packet_address(int fd, uint8_t address[ETH_ALEN])
{
	struct sockaddr_ll own = { 0 };
	socklen_t len = sizeof(own);

	if (getsockname(fd, (struct sockaddr *)&own, &len) < 0)
		return -errno;
	if (own.sll_halen != ETH_ALEN)
		return -EAFNOSUPPORT;
	memcpy(address, own.sll_addr, ETH_ALEN);
	return 0;
}

uint32_t mip_link_mtu(int fd, uint32_t ifindex)
{
	struct ifreq request = { .ifr_ifindex = (int)ifindex };

	if (ioctl(fd, SIOCGIFNAME, &request) < 0 || ioctl(fd, SIOCGIFMTU, &request) < 0)
		return 0;
	return (uint32_t)request.ifr_mtu;
}

int mip_packet_open_underlay(uint32_t mark, enum mip_stage *stage)
{
	int size = MIP_SOCKET_BUFFER, fd;

	*stage = MIP_STAGE_UNDERLAY;
	/* Protocol 0: nothing is ever received. */
	fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	if (mark && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0) {
		int error = -errno;

		*stage = MIP_STAGE_MARK;
		close(fd);
		return error;
	}
	return fd;
}
