/*
 * recut.h - the oracle of coalescing: what comes out, cut again, is what went in, the packets of a
 * stream in their order, but for the Identification of merged packets with DF (RFC 6864 4.1).
 *
 * For a test and for a fuzzer: says what is wrong and aborts.
 */
#ifndef RECUT_H
#define RECUT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mip_coalesce.h"
#include "mip_segment.h"

enum { RECUT_ROOM = 64 + MIP_PACKET_MAX };

#define RECUT_CHECK(condition)                                                          \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                        \
		}                                                                       \
	} while (0)

struct recut {
	uint8_t room[MIP_BATCH][RECUT_ROOM]; /* packets at 64, as the engine's rooms have them */
	uint32_t len[MIP_BATCH], tunnel[MIP_BATCH], count;

	uint8_t before[MIP_BATCH][RECUT_ROOM];
	struct mip_ipv4 ip[MIP_BATCH];
	bool seen[MIP_BATCH];
	uint32_t supers, merged; /* super-packets that came out, and packets in them */
};

static inline uint8_t *recut_packet(struct recut *r, uint32_t i)
{
	return r->room[i] + 64;
}

/* Same addresses, protocol and, where both are seen, ports. */
static inline bool recut_is_same_stream(const struct mip_ipv4 *a, const uint8_t *pa, const struct mip_ipv4 *b,
					const uint8_t *pb)
{
	bool ports = (a->protocol == MIP_PROTO_TCP || a->protocol == MIP_PROTO_UDP) &&
		     !mip_ipv4_is_fragment(a) && !mip_ipv4_is_fragment(b) && a->total - a->header >= 8 &&
		     b->total - b->header >= 8;

	return a->src_be == b->src_be && a->dst_be == b->dst_be && a->protocol == b->protocol &&
	       (!ports || memcmp(pa + a->header, pb + b->header, 4) == 0);
}

/* One packet that came out: it must be the first of its stream that did not yet. */
static inline void recut_match(struct recut *r, const uint8_t *packet, const struct mip_ipv4 *ip, bool merged)
{
	for (uint32_t i = 0; i < r->count; i++) {
		const uint8_t *was = r->before[i] + 64;

		if (r->seen[i] || !recut_is_same_stream(ip, packet, &r->ip[i], was))
			continue;
		RECUT_CHECK(ip->total == r->ip[i].total);
		if (merged && ip->frag & MIP_IPV4_DF) {
			RECUT_CHECK(memcmp(packet, was, 4) == 0 && memcmp(packet + 6, was + 6, 4) == 0);
			RECUT_CHECK(memcmp(packet + 12, was + 12, ip->total - 12u) == 0);
		} else {
			RECUT_CHECK(memcmp(packet, was, ip->total) == 0);
		}
		r->seen[i] = true;
		return;
	}
	RECUT_CHECK(false && "a packet nobody sent");
}

static inline void recut_flow(struct recut *r, struct mip_flow *f)
{
	static uint8_t whole[MIP_OFFLOAD_HEADER + MIP_PACKET_MAX], one[64 + MIP_PACKET_MAX];
	static const uint8_t nothing[MIP_OFFLOAD_HEADER];
	struct iovec iov[MIP_BATCH];
	uint32_t parts = mip_coalesce_finish(f, iov), len = 0, count = 0;
	struct mip_segmenter s;
	struct mip_super super;
	struct mip_ipv4 ip;

	RECUT_CHECK(f->count == 0 && parts > 0 && parts <= MIP_BATCH);
	for (uint32_t i = 0; i < parts; i++) {
		RECUT_CHECK(len + iov[i].iov_len <= sizeof(whole));
		memcpy(whole + len, iov[i].iov_base, iov[i].iov_len);
		len += (uint32_t)iov[i].iov_len;
	}
	len -= MIP_OFFLOAD_HEADER;
	RECUT_CHECK(mip_ipv4_parse(whole + MIP_OFFLOAD_HEADER, len, MIP_INNER, &ip) == MIP_OK &&
		    ip.total == len);
	if (parts == 1) {
		RECUT_CHECK(memcmp(whole, nothing, MIP_OFFLOAD_HEADER) == 0);
		recut_match(r, whole + MIP_OFFLOAD_HEADER, &ip, false);
		return;
	}
	RECUT_CHECK(mip_offload_read(whole, whole + MIP_OFFLOAD_HEADER, &ip, &super) == MIP_OK);
	RECUT_CHECK(super.count == parts);
	mip_segment_begin(&s, whole + MIP_OFFLOAD_HEADER, &ip, &super);
	for (;; count++) {
		struct mip_packet p = { .data = one + 64 };

		if (!mip_segment_next(&s, &p))
			break;
		memcpy(p.data + p.len - p.tail_len, p.tail, p.tail_len);
		RECUT_CHECK(mip_ipv4_parse(p.data, p.len, MIP_INNER, &ip) == MIP_OK);
		recut_match(r, p.data, &ip, true);
	}
	RECUT_CHECK(count == parts);
	r->supers++;
	r->merged += parts;
}

/* The batch as the engine handles it.  Every packet is well-formed by mip_ipv4_parse(). */
static inline void recut(struct recut *r, struct mip_coalescer *c)
{
	r->supers = r->merged = 0;
	for (uint32_t i = 0; i < r->count; i++) {
		memcpy(r->before[i], r->room[i], 64 + r->len[i]);
		RECUT_CHECK(mip_ipv4_parse(recut_packet(r, i), r->len[i], MIP_INNER, &r->ip[i]) == MIP_OK);
		r->seen[i] = false;
	}
	for (uint32_t i = 0; i < r->count; i++) {
		struct mip_candidate k = mip_coalesce_examine(c, recut_packet(r, i), &r->ip[i], r->tunnel[i]);
		struct mip_flow *f;

		while ((f = mip_coalesce_before(c, &k)))
			recut_flow(r, f);
		if (!mip_coalesce_take(c, &k))
			recut_match(r, recut_packet(r, i), &r->ip[i], false);
	}
	for (uint32_t i = 0; i < MIP_FLOWS; i++)
		if (c->flows[i].count)
			recut_flow(r, &c->flows[i]);
	for (uint32_t i = 0; i < r->count; i++)
		RECUT_CHECK(r->seen[i]);
}

#endif
