/*
 * mip_xdp.h - the AF_XDP underlay: for each interface that tunnels go over, a program that takes what
 * comes for them (mip_redirect.h), a socket for each of its queues, and one that sends.
 *
 * A port is opened with the first next hop on its interface and closed with the last, by
 * the control plane.  Two threads use it: one sends, one receives.  Neither
 * waits: a thread says that it is at a port, and then looks whether that is open; who closes takes
 * the sign down first, and then waits until nobody is there.  What a port cannot do the
 * underlays before it do: other threads' datagrams, what is wider than a frame, what comes by other interfaces.
 */
#ifndef MIP_XDP_H
#define MIP_XDP_H

#include "mip_hops.h"
#include "mip_io.h"
#include "mip_offload.h"
#include "mip_xsk.h"

enum { MIP_XDP_PORTS = 8, MIP_XDP_QUEUES = 64 };

enum mip_xdp_user { MIP_XDP_SENDER, MIP_XDP_RECEIVER, MIP_XDP_USERS };

struct mip_xdp_map {
	void *start;
	size_t len;
};

struct mip_xdp_queue {
	int fd;
	struct mip_xsk_ring received, fill;
};

/* What the kernel has for a port: mip_io_xsk.c. */
struct mip_xdp_sockets {
	int link_fd, program_fd, map_fd, send_fd;
	int whole_fd, whole_link_fd; /* mip_io_whole.c; -1 where the kernel cannot */
	bool generic, zero_copy;
	uint32_t queues, frames; /* how many, and how many frames to receive each has */
	uint8_t *memory;         /* of all frames; those to send are the last */
	size_t memory_len;
	struct mip_xdp_queue queue[MIP_XDP_QUEUES];
	struct mip_xsk_ring send, completions;
	struct mip_xdp_map maps[2 * MIP_XDP_QUEUES + 2];
	uint32_t mapped;
};

struct mip_xdp_port {
	_Alignas(64) _Atomic uint32_t ifindex; /* 0: closed */
	_Atomic bool broken;                   /* the device did not take anything */
	_Atomic bool busy[MIP_XDP_USERS];
	_Atomic uint32_t widest; /* bytes of a datagram it can send */
	_Atomic uint64_t own;    /* its link-layer address */

	struct mip_xdp_sockets sockets;
	struct mip_xsk_frames frames; /* the sender's */
	uint32_t refused;             /* likewise: super-packets, one after the other */

	/* The control plane's. */
	uint32_t wanted; /* the interface it is for, also if it could not be opened; 0: free */
	uint32_t hops;
};

struct mip_xdp {
	int keys_fd, kick_fd; /* kick_fd: readable when ports were opened or closed */
	uint8_t protocols[MIP_ENCAPS], protocol_count;
	uint64_t lost; /* datagrams that ports which are closed had no room for */
	struct mip_xdp_port ports[MIP_XDP_PORTS];
};

/* Why an interface has no port, or has lost it; error 0: it has not. */
struct mip_xdp_loss {
	uint32_t ifindex;
	int error;
	enum mip_stage stage;
};

void mip_xdp_init(struct mip_xdp *x);
/* 0 or -errno, and then *stage says where. */
int mip_xdp_open(struct mip_xdp *x, enum mip_stage *stage);
void mip_xdp_close(struct mip_xdp *x);

/*
 * The control plane, one caller at a time: a next hop is on an interface, or no longer; the latter closes the port
 * with the last of them.  Repeated for the same hop, known is true: then it is only looked after.
 */
struct mip_xdp_loss mip_xdp_join(struct mip_xdp *x, uint32_t ifindex, bool known);
struct mip_xdp_loss mip_xdp_leave(struct mip_xdp *x, uint32_t ifindex);
/* Whether what comes from remote to local is to be taken; the kernel gets it otherwise. */
void mip_xdp_expect(struct mip_xdp *x, uint32_t local_be, uint32_t remote_be, bool expected);
/* From now on, datagrams of this encapsulation too, for all hops that are known. */
void mip_xdp_accept(struct mip_xdp *x, const struct mip_hops *hops, enum mip_encap type);
/* Received datagrams for which there was no room. */
uint64_t mip_xdp_overflow(const struct mip_xdp *x);

/* Any thread: whether a datagram of so many bytes may go by a port of the interface. */
bool mip_xdp_carries(const struct mip_xdp *x, uint32_t ifindex, uint32_t len);

/* The two threads: a port that is open stays so until it is released; null if it is not. */
struct mip_xdp_port *mip_xdp_take(struct mip_xdp *x, uint32_t ifindex, enum mip_xdp_user user);
struct mip_xdp_port *mip_xdp_take_any(struct mip_xdp *x, uint32_t i, enum mip_xdp_user user);
void mip_xdp_release(struct mip_xdp_port *p, enum mip_xdp_user user);

/*
 * The sender.  How many of count datagrams, each to a struct sockaddr_ll, went; -1 and errno if
 * not one did: ENOBUFS, the device does not keep up; else the port is broken.  error[i]
 * of one that the device threw away becomes an errno.
 */
int mip_xdp_send(struct mip_xdp_port *p, const struct mmsghdr *messages, uint32_t count, int *error);

/*
 * The sender: a super-packet of TCP in IP-in-IP, as it is, to a next hop on the port's interface.  In front of the
 * datagram is room for an Ethernet header and then MIP_OFFLOAD_HEADER bytes; header is what these say.
 * 0, or an errno: EAGAIN, the buffer of sockets.whole_fd is full; EOPNOTSUPP, such cannot be sent by this port,
 * or no longer, as too many were refused one after the other; or why this one was refused.
 */
int mip_xdp_send_whole(struct mip_xdp_port *p, const struct mip_hop *hop, uint8_t *datagram, uint32_t len,
		       const uint8_t header[MIP_OFFLOAD_HEADER]);

/*
 * The receiver: at most MIP_BATCH datagrams, in place, behind so many that were received before.  When
 * all are done with, their frames are returned.
 */
uint32_t mip_xdp_receive(struct mip_xdp_port *p, uint32_t queue, uint32_t before,
			 struct mip_packet packets[MIP_BATCH]);
void mip_xdp_return(struct mip_xdp_port *p, uint32_t queue, uint32_t count);
/*
 * What to sleep on: a descriptor that is readable when another should be asked for, and those of all queues.
 * They may be closed meanwhile: then the first is readable too.
 */
enum { MIP_XDP_WATCHED = 1 + MIP_XDP_PORTS * MIP_XDP_QUEUES };
uint32_t mip_xdp_watch(struct mip_xdp *x, int fds[MIP_XDP_WATCHED]);

/* mip_io_xsk.c.  0 or -errno, and then *stage says where, and nothing is left open. */
int mip_xsk_open(struct mip_xdp_sockets *s, uint32_t ifindex, int keys_fd, enum mip_stage *stage);
void mip_xsk_close(struct mip_xdp_sockets *s);
/* What was received and lost for want of room. */
uint64_t mip_xsk_lost(const struct mip_xdp_sockets *s);
/* -errno, e.g. -ENODEV: there is no such interface. */
int mip_xsk_look(uint32_t ifindex, uint64_t *own, uint32_t *mtu);

#endif
