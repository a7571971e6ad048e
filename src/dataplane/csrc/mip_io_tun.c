#define _GNU_SOURCE
#include "mip_io.h"
#include "mip_offload.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* TUN_F_USO4 and TUN_F_USO6, which older kernel headers do not have. */
enum { USO = 0x20 | 0x40 };

#define MIP_STAGE_NAME(name, meaning) { #name, meaning },

const struct mip_stage_name mip_stage_names[MIP_STAGE_END] = { MIP_STAGE_LIST(MIP_STAGE_NAME) };

static int bring_up(struct ifreq *device, uint32_t mtu)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), error = 0;

	if (fd < 0)
		return -errno;
	/* A longer queue: one time slice of a busy core must not overflow it. */
	device->ifr_qlen = MIP_DEVICE_QUEUE;
	if (ioctl(fd, SIOCSIFTXQLEN, device) < 0)
		error = -errno;
	device->ifr_mtu = (int)mtu;
	if (!error && ioctl(fd, SIOCSIFMTU, device) < 0)
		error = -errno;
	if (!error && ioctl(fd, SIOCGIFFLAGS, device) < 0)
		error = -errno;
	device->ifr_flags = (short)(device->ifr_flags | IFF_UP);
	if (!error && ioctl(fd, SIOCSIFFLAGS, device) < 0)
		error = -errno;
	close(fd);
	return error;
}

/* UDP segments since Linux 6.2, and there only with those of IPv6 (of which none comes: the device is for IPv4). */
static int offer_offloads(int fd, bool *udp)
{
	const unsigned long tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO_ECN;

	*udp = ioctl(fd, TUNSETOFFLOAD, tcp | USO) == 0;
	return *udp ? 0 : ioctl(fd, TUNSETOFFLOAD, tcp);
}

int mip_tun_open(const char *device, uint32_t mtu, bool persist, bool *udp, enum mip_stage *stage)
{
	struct ifreq request = { 0 };
	int header = MIP_OFFLOAD_HEADER, error = 0, fd;

	*stage = MIP_STAGE_TUN_OPEN;
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;

	/*
	 * IFF_VNET_HDR lets us hand over unfinished checksums and merged
	 * packets (mip_offload.h), and take unfinished and unsegmented ones.
	 */
	*stage = MIP_STAGE_TUN_ATTACH;
	strncpy(request.ifr_name, device, sizeof(request.ifr_name) - 1);
	request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
	if (ioctl(fd, TUNSETIFF, &request) < 0)
		error = -errno;
	else if (ioctl(fd, TUNSETVNETHDRSZ, &header) < 0 || offer_offloads(fd, udp) < 0 ||
		 ioctl(fd, TUNSETPERSIST, (unsigned long)persist) < 0)
		error = -errno;
	if (!error) {
		*stage = MIP_STAGE_TUN_UP;
		error = bring_up(&request, mtu);
	}
	if (error) {
		close(fd);
		return error;
	}
	return fd;
}
