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

enum { DESTINATION = 16 }; /* of an IPv4 header */

/* Before it is bound: not one packet comes in that the filter has not seen. */
static int attach_filter(int fd, uint32_t directed_be)
{
	uint32_t directed = directed_be ? ntohl(directed_be) : INADDR_BROADCAST;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
		/* PACKET_HOST and PACKET_BROADCAST; neither multicast, nor others', nor our own. */
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, PACKET_BROADCAST, 4, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_NET_OFF + DESTINATION)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, INADDR_BROADCAST, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, directed, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno : 0;
}

int mip_packet_open_broadcasts(const char *interface, uint32_t directed_be, enum mip_stage *stage)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP) };
	struct ifreq request = { 0 };
	int fd, error;

	*stage = MIP_STAGE_WATCH;
	fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	strncpy(request.ifr_name, interface, sizeof(request.ifr_name) - 1);
	error = ioctl(fd, SIOCGIFINDEX, &request) < 0 ? -errno : attach_filter(fd, directed_be);
	to.sll_ifindex = request.ifr_ifindex;
	if (!error && bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		error = -errno;
	if (error) {
		close(fd);
		return error;
	}
	return fd;
}
