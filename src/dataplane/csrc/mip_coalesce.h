/*
 * mip_coalesce.h - what comes out of the tunnels in one batch, of one TCP or UDP
 * stream, becomes one super-packet for the TUN device.
 *
 * Only packets that the receiver of the super-packet can cut again into the very same ones
 * are merged (but for the Identification of packets with DF, which says nothing: RFC 6864
 * 4.1; and for a checksum of 0xffff in IP or TCP, which comes back as 0: the same number),
 * and only after their checksum was verified: the device is told that it is
 * yet to be made, and would bless what was corrupted on the way.  Unless it is yet to be made indeed, as in what
 * comes from the same host, and the packet is none that was merged before.  A packet that stays alone
 * is handed on as it came.  No stream is reordered, nothing waits for the next batch.
 */
#ifndef MIP_COALESCE_H
#define MIP_COALESCE_H

#include <sys/uio.h>

#include "mip_offload.h"

enum { MIP_FLOWS = 16 };

/* Packets merged so far. */
struct mip_flow {
	uint8_t *first; /* the first, whole */
	struct mip_ipv4 ip;
	uint32_t tunnel, ports, sequence; /* sequence: the next byte's */
	uint32_t headers, size, total;   /* bytes: both headers, payload of each but the last, all together */
	uint32_t count;                  /* 0: free */
	bool closed, push;               /* nothing may follow the last; it has PSH */
	bool pending;                    /* the first one's checksum is yet to be made */
	struct iovec payload[MIP_BATCH]; /* from the second on */
};

struct mip_coalescer {
	bool udp;      /* the device knows UDP segments */
	uint32_t mtu;  /* what is longer was merged before */
	uint32_t turn; /* whose it is to make room */
	struct mip_flow flows[MIP_FLOWS];
};

/* A packet, looked at. */
struct mip_candidate {
	uint8_t *packet;
	const struct mip_ipv4 *ip;
	uint32_t tunnel, ports, headers;
	bool has_ports, fit; /* fit: to be merged with others like it */
	bool pending;        /* its checksum is yet to be made */
};

struct mip_candidate mip_coalesce_examine(const struct mip_coalescer *c, uint8_t *packet,
					  const struct mip_ipv4 *ip, uint32_t tunnel);

/* A flow that must be handed on before this packet is, to be asked again until there is none. */
struct mip_flow *mip_coalesce_before(struct mip_coalescer *c, const struct mip_candidate *k);

/* After that: true if the packet is now in a flow, false if it is to be handed on by itself. */
bool mip_coalesce_take(struct mip_coalescer *c, const struct mip_candidate *k);

/*
 * Makes one packet of a flow and frees it: the device's header in front of flow->first,
 * iov[0] from there on, and then the payloads.  How many of iov are used, MIP_BATCH at most.
 */
uint32_t mip_coalesce_finish(struct mip_flow *flow, struct iovec iov[MIP_BATCH]);

#endif
