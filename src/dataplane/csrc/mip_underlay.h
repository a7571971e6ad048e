/*
 * mip_underlay.h - the ways of an outer datagram onto the wire, behind one interface, and the queue in
 * front of them.
 *
 * The raw socket is always there: every datagram is routed, filtered and resolved as the host does it.  The
 * packet socket hands the frame to the device: half the cost, but netfilter's OUTPUT and
 * POSTROUTING do not see it, and routing is as the control plane found it (mip_hops.h).  AF_XDP (mip_xdp.h)
 * spares more, and takes what comes from the other ends before netfilter's PREROUTING and INPUT.  What a way does
 * not know how to send, the one before it in the list sends.
 */
#ifndef MIP_UNDERLAY_H
#define MIP_UNDERLAY_H

#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "mip_hops.h"
#include "mip_io.h"
#include "mip_xdp.h"

/* X(NAME, "name", what it does) */
#define MIP_UNDERLAY_LIST(X) \
	X(RAW, "raw")        \
	X(PACKET, "packet")  \
	X(XDP, "xdp")

#define MIP_UNDERLAY_ENUM(name, text) MIP_UNDERLAY_##name,

enum mip_underlay_kind { MIP_UNDERLAY_LIST(MIP_UNDERLAY_ENUM) MIP_UNDERLAY_KINDS };

union mip_to {
	struct sockaddr_in in;
	struct sockaddr_ll ll;
};

/* A way that is open. */
struct mip_way {
	const struct mip_underlay *underlay;
	int fd;
};

/* Whole datagrams on their way. */
struct mip_send {
	uint32_t count;
	struct mmsghdr message[MIP_BATCH];
	struct iovec iov[MIP_BATCH][2]; /* the datagram, and its tail */
	union mip_to to[MIP_BATCH];
	uint32_t remote_be[MIP_BATCH]; /* the tunnel's other end */
	uint8_t way[MIP_BATCH];        /* which of the ways */
	uint32_t index[MIP_BATCH];     /* of the tunnel's counters, for the caller */
	uint32_t inner[MIP_BATCH];     /* bytes, likewise */
	uint32_t len[MIP_BATCH];       /* bytes of the datagram */
	int error[MIP_BATCH];          /* after mip_send_flush: 0 or an errno */

	/* Set before the thread starts. */
	struct mip_way ways[MIP_UNDERLAY_KINDS]; /* the raw socket is the first */
	const struct mip_hops *hops;
	struct mip_xdp *xdp;
	enum mip_underlay_kind preferred; /* falls back to the first */
	int fell_back;                    /* the errno for which it did; the caller clears it */
	struct mip_xdp_loss lost;         /* likewise */
};

/* What a way is.  A new one needs these, a name in the list, and nothing else. */
struct mip_underlay {
	/* A descriptor, or -errno with *stage set; without this, it has none and the engine opens it. */
	int (*open)(uint32_t mark, enum mip_stage *stage);
	/* Addresses datagram i of the queue; false if this way cannot send it. */
	bool (*address)(struct mip_send *s, uint32_t i, const struct mip_tunnel *t);
	/* How many of count datagrams from the i-th on went; -1 and errno if not the first. */
	int (*send)(struct mip_send *s, uint32_t i, uint32_t count);
};

extern const struct mip_underlay mip_underlays[MIP_UNDERLAY_KINDS];
extern const char *const mip_underlay_names[MIP_UNDERLAY_KINDS];

/* The raw socket, and those after it up to the preferred one.  0 or -errno, and then *stage says where. */
int mip_ways_open(struct mip_way ways[MIP_UNDERLAY_KINDS], enum mip_underlay_kind preferred, uint32_t mark,
		  enum mip_stage *stage);
/* Those that have an underlay. */
void mip_ways_close(const struct mip_way ways[MIP_UNDERLAY_KINDS]);

void mip_send_init(struct mip_send *s, const struct mip_way ways[MIP_UNDERLAY_KINDS],
		   enum mip_underlay_kind preferred, const struct mip_hops *hops, struct mip_xdp *xdp);
void mip_send_add(struct mip_send *s, const struct mip_packet *p, const struct mip_tunnel *t, uint32_t inner);

/* A little while, for buffer space; false if there is none then, or stop_fd is readable. */
bool mip_send_wait(int fd, int stop_fd);
/* Sends all of it, waiting for buffer space a little while unless stop_fd becomes readable. */
void mip_send_flush(struct mip_send *s, int stop_fd);

#endif
