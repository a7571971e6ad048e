/* mip_ipv4.h - the IPv4 header (RFC 791), checked once and then only read. */
#ifndef MIP_IPV4_H
#define MIP_IPV4_H

#include "mip.h"
#include "mip_bytes.h"
#include "mip_checksum.h"

enum {
	MIP_IPV4_HEADER = 20,
	MIP_VERSION_IHL = 0x45, /* without options */
	MIP_IPV4_DF = 0x4000,
	MIP_IPV4_MF = 0x2000,
	MIP_IPV4_OFFSET = 0x1fff,
	MIP_PROTO_ICMP = 1,
	MIP_PROTO_IGMP = 2,
	MIP_PROTO_IPIP = 4,
	MIP_PROTO_TCP = 6,
	MIP_PROTO_UDP = 17,
	MIP_PROTO_GRE = 47,
	MIP_PROTO_MINIMAL = 55,
};

struct mip_ipv4 {
	uint32_t src_be, dst_be;
	uint16_t total; /* bytes, header included; never more than were there */
	uint16_t id;
	uint16_t frag;  /* DF, MF and the offset, as in the header */
	uint8_t header; /* bytes, options included: 20 to 60 */
	uint8_t tos, ttl, protocol;
};

enum mip_layer { MIP_INNER, MIP_OUTER };

/* mip_ipv4_parse() for all but the header that nearly every packet has: a whole one, without options. */
enum mip_drop mip_ipv4_parse_any(const uint8_t *data, size_t len, enum mip_layer layer, struct mip_ipv4 *ip);

static inline void mip_ipv4_read(const uint8_t *data, struct mip_ipv4 *ip)
{
	ip->tos = data[1];
	ip->id = mip_load16(data + 4);
	ip->frag = mip_load16(data + 6);
	ip->ttl = data[8];
	ip->protocol = data[9];
	ip->src_be = mip_load32_be(data + 12);
	ip->dst_be = mip_load32_be(data + 16);
}

/* Checks length, version, header length, total length and checksum, in this order. */
static inline enum mip_drop mip_ipv4_parse(const uint8_t *data, size_t len, enum mip_layer layer,
					   struct mip_ipv4 *ip)
{
	if (MIP_SELDOM(len < MIP_IPV4_HEADER || data[0] != MIP_VERSION_IHL))
		return mip_ipv4_parse_any(data, len, layer, ip);
	ip->header = MIP_IPV4_HEADER;
	ip->total = mip_load16(data + 2);
	if (MIP_SELDOM(ip->total > len || ip->total < MIP_IPV4_HEADER ||
		       !mip_checksum_header_ok(data, MIP_IPV4_HEADER)))
		return mip_ipv4_parse_any(data, len, layer, ip);
	mip_ipv4_read(data, ip);
	return MIP_OK;
}

/* Writes a header without options, checksum included; frag holds DF, MF, offset. */
void mip_ipv4_write(uint8_t *out, const struct mip_ipv4 *ip);

static inline bool mip_ipv4_is_fragment(const struct mip_ipv4 *ip)
{
	return (ip->frag & (MIP_IPV4_MF | MIP_IPV4_OFFSET)) != 0;
}

static inline bool mip_is_multicast(uint32_t address_be)
{
	return mip_host32(address_be) >> 28 == 0xe;
}

/* 224.0.0.0/24: of one link, forwarded by nobody (RFC 5771 4). */
static inline bool mip_is_link_local_group(uint32_t address_be)
{
	return mip_host32(address_be) >> 8 == 0xe00000;
}

/* Multicast and class E, and with that the limited broadcast. */
static inline bool mip_is_group(uint32_t address_be)
{
	return mip_host32(address_be) >> 28 >= 0xe;
}

#endif
