/*
 * mip_offload.h - what the TUN device says of a packet, and must be told about a decapsulated one.
 *
 * A network card (or a sender on the same host) may hand us packets whose
 * transport checksum covers only the pseudo-header so far, and may have
 * merged several TCP segments into one datagram of up to 64 KiB.  Written to
 * the TUN device as they are, the first are dropped as corrupt and the second
 * meet a smaller MTU.  The device's packet header (struct virtio_net_hdr) can
 * say both; describing a packet does not change it.  One in 65536 finished checksums looks like
 * an unfinished one: it is computed again, to the same value.
 */
#ifndef MIP_OFFLOAD_H
#define MIP_OFFLOAD_H

#include "mip_ipv4.h"

enum { MIP_OFFLOAD_HEADER = 10 };

struct mip_offload {
	bool checksum_pending, merged;
};

/* Whether the transport checksum covers only the pseudo-header so far. */
bool mip_offload_is_pending(const uint8_t *packet, const struct mip_ipv4 *ip);

/* Writes the 10-byte header for the packet; mtu is the largest that may leave unmerged. */
struct mip_offload mip_offload_describe(uint8_t out[MIP_OFFLOAD_HEADER], const uint8_t *packet,
					const struct mip_ipv4 *ip, uint32_t mtu);

/* Finishes a transport checksum that is unfinished; for a packet that leaves by another way than the device. */
void mip_offload_finish(uint8_t *packet, const struct mip_ipv4 *ip);

/* What a packet read from the device is: itself, or a super-packet that stands for count packets. */
struct mip_super {
	uint16_t count, size; /* size: payload bytes of each but the last */
	uint16_t headers;     /* bytes of IP and transport header; 0 if count is 1 */
};

/*
 * Reads the header in front of a packet, and finishes the checksum of an ordinary
 * one.  MIP_DROP_OFFLOAD if header and packet do not suit each other.
 */
enum mip_drop mip_offload_read(const uint8_t in[MIP_OFFLOAD_HEADER], uint8_t *packet,
			       const struct mip_ipv4 *ip, struct mip_super *super);

/*
 * The header for a super-packet of TCP that goes so many bytes behind others.  Made anew: what the device said of it
 * is no longer in front of a packet that went into another tunnel already.
 */
void mip_offload_whole(uint8_t out[MIP_OFFLOAD_HEADER], const uint8_t *packet, const struct mip_ipv4 *ip,
		       const struct mip_super *super, uint32_t behind);

/*
 * The contrary: packet, whose header is ip, now stands for super->count packets with total
 * bytes, the others' payloads behind its own.  Its headers change, and the device's header is written in front.
 */
void mip_offload_merge(uint8_t *packet, struct mip_ipv4 *ip, const struct mip_super *super, uint32_t total);

#endif
