/*
 * mip_segment.h - cutting a super-packet of the TUN device into the packets it stands for.
 *
 * The kernel hands over up to 64 KiB of one TCP or UDP stream as one packet
 * (TSO, USO).  Only headers are written for a segment; its payload stays
 * where it was read, as the tail of the packet.
 */
#ifndef MIP_SEGMENT_H
#define MIP_SEGMENT_H

#include "mip_offload.h"
#include "mip_tunnel.h"

enum { MIP_SEGMENT_HEADERS = 60 + 60 }; /* the longest of IPv4 and of TCP */

struct mip_segmenter {
	struct mip_ipv4 ip; /* of the segment made last */

	const uint8_t *packet;
	uint64_t ip_sum, transport_sum; /* of what is the same in all headers */
	uint32_t sequence, payload, done;
	struct mip_super super;
	uint16_t id, flags; /* TCP's word of data offset and flags */
};

/* What mip_offload_read() accepted. */
void mip_segment_begin(struct mip_segmenter *s, const uint8_t *packet, const struct mip_ipv4 *ip,
		       const struct mip_super *super);

/*
 * Writes the headers of the next segment at p->data, where there is room for
 * MIP_SEGMENT_HEADERS bytes, checksums finished, and sets the rest of p but for the headroom.  False at the end.
 */
bool mip_segment_next(struct mip_segmenter *s, struct mip_packet *p);

/* Bytes of all the segments together. */
static inline uint32_t mip_segment_bytes(const struct mip_ipv4 *ip, const struct mip_super *super)
{
	return ip->total + (super->count - 1u) * super->headers;
}

#endif
