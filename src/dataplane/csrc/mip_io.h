/* mip_io.h - opening the TUN device and the sockets. */
#ifndef MIP_IO_H
#define MIP_IO_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mip_tunnel.h"

/* X(NAME, "what was being done"): with errno, enough for one sentence to the operator. */
#define MIP_STAGE_LIST(X)                                        \
	X(NONE, "nothing")                                       \
	X(MEMORY, "reserving memory and descriptors")            \
	X(RAW, "opening a raw socket")                           \
	X(MARK, "setting the mark of outgoing datagrams")        \
	X(TUN_OPEN, "opening /dev/net/tun")                      \
	X(TUN_ATTACH, "making the TUN device")                   \
	X(TUN_UP, "setting the TUN device up")                   \
	X(WATCH, "watching for broadcasts")                      \
	X(LINK, "opening a packet socket for visitors")          \
	X(UNDERLAY, "opening the way past the kernel's routing") \
	X(XDP, "preparing for AF_XDP")                           \
	X(XDP_PROGRAM, "attaching an XDP program")               \
	X(XDP_SOCKET, "opening AF_XDP sockets")                  \
	X(XDP_SEND, "sending by an AF_XDP socket")

#define MIP_STAGE_ENUM(name, meaning) MIP_STAGE_##name,

enum mip_stage { MIP_STAGE_LIST(MIP_STAGE_ENUM) MIP_STAGE_END };

struct mip_stage_name {
	const char *name, *meaning;
};

extern const struct mip_stage_name mip_stage_names[MIP_STAGE_END];

enum { MIP_SOURCES_MAX = 1000 };

enum { MIP_DEVICE_NAME = 16, MIP_SOCKET_BUFFER = 4 << 20, MIP_DEVICE_QUEUE = 2048 };

/* Nothing happens for a descriptor that was never opened. */
static inline void mip_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

/*
 * Each returns a descriptor or -errno with *stage set.  The TUN descriptor does
 * not block, and reads and writes packets behind MIP_OFFLOAD_HEADER bytes; udp: super-packets of UDP too.
 */
int mip_tun_open(const char *device, uint32_t mtu, bool persist, bool *udp, enum mip_stage *stage);
int mip_raw_open_receive(enum mip_encap type, enum mip_stage *stage);
int mip_raw_open_send(uint32_t mark, enum mip_stage *stage);
/* Sends on this link only, to local members of a group as well. */
int mip_raw_open_link(const char *interface, enum mip_stage *stage);
/* What a socket of mip_raw_open_send() sends is routed as the address's own; it need not be there yet. */
int mip_raw_bind(int fd, uint32_t address_be);

/*
 * Until this is called, a receiving socket of another encapsulation than IP-in-IP
 * lets nothing in: a host may have GRE traffic that is none of ours.
 */
int mip_raw_accept(int fd);

/*
 * A packet socket that receives the IPv4 broadcasts arriving on an interface:
 * limited, and directed_be unless that is 0; and multicasts that a router may forward,
 * of groups that somebody on this host is a member of.  What this host sends is not among them.
 */
int mip_packet_open(const char *interface, uint32_t directed_be, bool multicasts, enum mip_stage *stage);

/*
 * For visitors that share an address.  What is read and sent is an Ethernet frame behind
 * MIP_OFFLOAD_HEADER bytes.  The first receives nothing until mip_packet_accept() gives it the source
 * addresses, at most MIP_SOURCES_MAX, of what is to be copied to it; the second sends on any interface.
 */
int mip_packet_open_link(uint32_t ifindex, enum mip_stage *stage);
int mip_packet_accept(int fd, const uint32_t *sources_be, uint32_t count);
int mip_packet_open_send(enum mip_stage *stage);

/* A packet socket that sends IPv4 datagrams on any interface, to a link-layer address. */
int mip_packet_open_underlay(uint32_t mark, enum mip_stage *stage);

/* The link-layer address of the interface that the first is bound to; 0 or -errno. */
int mip_packet_address(int fd, uint8_t address[6]);

/* Bytes, by any socket; or 0 if there is no such interface now. */
uint32_t mip_link_mtu(int fd, uint32_t ifindex);

/* Datagrams the kernel dropped since the socket was opened because its buffer was full. */
uint32_t mip_raw_overflow(int fd);

#endif
