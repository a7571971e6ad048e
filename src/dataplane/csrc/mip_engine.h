/* mip_engine.h - what the control plane sees: one TUN device, its tunnels, four threads. */
#ifndef MIP_ENGINE_H
#define MIP_ENGINE_H

#include "mip_group.h"
#include "mip_io.h"
#include "mip_path.h"
#include "mip_place.h"
#include "mip_ring.h"
#include "mip_stats.h"
#include "mip_underlay.h"

struct mip_engine;

struct mip_config {
	char device[MIP_DEVICE_NAME];
	uint32_t mtu;            /* of the device: the largest packet the kernel gives us */
	uint32_t capacity;       /* tunnels */
	uint32_t mark;           /* SO_MARK of what is sent; 0: none */
	uint32_t icmp_rate;      /* fragmentation-needed messages a second */
	uint32_t broadcast_rate; /* copies of broadcasts a second */
	uint32_t multicast_rate; /* copies of multicasts a second */
	bool persist;            /* leave the device behind */
	bool clamp_mss;          /* mip_mss.h */
	bool tell_largest; /* MIP_EVENT_LARGE_PACKET, which costs a look at the clock for each such packet */
	enum mip_underlay_kind underlay;
};

struct mip_change {
	struct mip_tunnel tunnel; /* for a removal only home_be, side and remote_be matter; 0: all remotes */
	struct mip_spot spot;     /* with MIP_F_SHARED: where the visitor is */
	bool remove, beside;
};

/* Where datagrams from local_be to remote_be go next; hop.ifindex 0: the control plane does not know. */
struct mip_hop_change {
	uint32_t local_be, remote_be;
	struct mip_hop hop;
};

/* 0 or -errno, and then *stage says where. */
int mip_engine_open(struct mip_engine **out, const struct mip_config *config, enum mip_stage *stage);
void mip_engine_close(struct mip_engine *e);

/* Both may be repeated, and start again after stop. */
int mip_engine_start(struct mip_engine *e);
void mip_engine_stop(struct mip_engine *e);

/* Readable when there are events; an eventfd, to be watched and never read by others. */
int mip_engine_event_fd(const struct mip_engine *e);

/*
 * In order, until one fails: -EINVAL for an impossible tunnel, -ENOSPC for a
 * full table or too many shared addresses on a link, -EMLINK for more than MIP_GROUP_MAX of one home
 * address, or what a packet socket was refused with.  *done counts those
 * that were made, *removed those that took something out.  A tunnel takes the place of all
 * of its home address and side; beside, which only the home end and visitors with MIP_F_SHARED may be, that
 * of the one with the same remote end.  In the place of one or of several it keeps the counters of
 * the one with its remote end, or else of the first.
 */
int mip_engine_apply(struct mip_engine *e, const struct mip_change *changes, size_t count, size_t *done,
		     size_t *removed);

/* The next at most cap tunnels; *cursor is 0 at first.  0 at the end. */
size_t mip_engine_tunnels(struct mip_engine *e, uint32_t *cursor, struct mip_status *out, size_t cap);

/* The tunnels of one home address and side; at most MIP_GROUP_MAX. */
size_t mip_engine_tunnels_of(struct mip_engine *e, uint32_t home_be, enum mip_side side,
			     struct mip_status out[MIP_GROUP_MAX]);

/*
 * Makes the tunnels to remote_be, but those of side MIP_NODE, fit a path that carries so many bytes; widest: what
 * the device takes.  How many were not.  Looks at none to another far end.
 */
size_t mip_engine_fit(struct mip_engine *e, uint32_t remote_be, uint32_t path, uint32_t widest);

/*
 * The tunnel that an ICMP error is about, the widest if several may be; false if there is none.  Looks at
 * those of the quoted inner addresses, or if there are no such at those to the quoted far end.
 */
bool mip_engine_sender(struct mip_engine *e, const struct mip_quote *q, struct mip_tunnel *out);

/* For so long, whoever sends into a tunnel to remote_be is told that it is unreachable, with this code (RFC 2003 5). */
void mip_engine_unreached(struct mip_engine *e, uint32_t remote_be, uint8_t code, uint64_t ns);

/*
 * For underlays that need a next hop; how many were taken.  At most MIP_HOPS_MAX are to be
 * known at a time; one that finds no place goes by the raw socket, as those do that are not known.
 */
size_t mip_engine_hops(struct mip_engine *e, const struct mip_hop_change *changes, size_t count);

/* Whether datagrams go by AF_XDP on this interface now. */
bool mip_engine_has_port(struct mip_engine *e, uint32_t ifindex);

/*
 * From now on, broadcasts that arrive on the interface go to the tunnels with
 * MIP_F_BROADCAST whose home address is of the network; and with multicasts, what is for
 * a group to its members, and what they send to the interface.  An empty name: a
 * network without a link, whose members have only each other.  To be repeated for an
 * interface that was deleted and made again.  0 or -errno, and then *stage says where.
 */
int mip_engine_watch(struct mip_engine *e, const char *interface, uint32_t network_be, uint32_t mask_be,
		     bool multicasts, enum mip_stage *stage);

/* A home address in a multicast group; 0, or -ENOSPC.  It may have no tunnel at the time. */
int mip_engine_join(struct mip_engine *e, uint32_t group_be, uint32_t home_be);
/* False if it was not in the group. */
bool mip_engine_leave(struct mip_engine *e, uint32_t group_be, uint32_t home_be);

/*
 * Records.  Read: IGMP packets of nodes with MIP_F_MULTICAST.  Written: a home address, then
 * a packet that goes into its tunnels.  Not to be closed by others.
 */
int mip_engine_igmp_fd(const struct mip_engine *e);

void mip_engine_counters(const struct mip_engine *e, uint64_t drops[MIP_DROP_END],
			 uint64_t counters[MIP_COUNTER_END]);

/* The same drops, in packets and bytes: on the way into tunnels, and out of them. */
struct mip_amount {
	uint64_t packets, bytes;
};

void mip_engine_drops(const struct mip_engine *e, struct mip_amount drops[MIP_DIRECTIONS][MIP_DROP_END]);

/*
 * Copies what goes in and out of tunnels, both layers, from now on: of those with address_be as home address
 * or at an end, 0 for all; at most snap bytes of a packet.  The number of the capture, or -EBUSY when there are
 * MIP_CAPTURES, or another -errno.  *fd: of MIP_THREADS rings (mip_capture.h), for the reader to map; the caller's.
 */
int mip_engine_capture(struct mip_engine *e, uint32_t address_be, uint32_t snap, int *fd);
/* Waits for the threads' present batch.  Nothing happens if it is not armed. */
void mip_engine_capture_end(struct mip_engine *e, int number);

/* Takes at most cap events. */
size_t mip_engine_events(struct mip_engine *e, struct mip_event *out, size_t cap);

#endif
