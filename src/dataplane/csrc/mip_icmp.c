#include "mip_icmp.h"

#include "mip_bytes.h"
#include "mip_checksum.h"
#include "mip_ipv4.h"

enum {
	ICMP_HEADER = 8,
	UNREACHABLE = 3,
	/* RFC 1812 4.3.2.5: precedence 6 (internetwork control), the ToS bits of the cause. */
	PRECEDENCE = 0xc0,
	TOS_BITS = 0x1c,
};

static bool is_error_type(uint8_t type)
{
	/* Unreachable, source quench, redirect, time exceeded, parameter problem. */
	return type == UNREACHABLE || type == 4 || type == 5 || type == 11 || type == 12;
}

/* Something that may send: not 0/8, loopback, multicast, class E (RFC 1812 5.3.7). */
static bool is_valid_source(uint32_t address_be)
{
	uint32_t network = mip_host32(address_be) >> 24;

	return network != 0 && network != 127 && network < 224;
}

static bool may_report(const uint8_t *orig, const struct mip_ipv4 *ip)
{
	if (ip->frag & MIP_IPV4_OFFSET)
		return false;
	if (!is_valid_source(ip->src_be) || mip_is_group(ip->dst_be))
		return false;
	if (ip->protocol != MIP_PROTO_ICMP)
		return true;
	return ip->total > ip->header && !is_error_type(orig[ip->header]);
}

size_t mip_icmp_unreachable(uint8_t *out, size_t cap, const uint8_t *orig, size_t len, uint32_t source_be,
			    uint8_t code, uint16_t mtu, uint16_t id)
{
	struct mip_ipv4 cause, reply = { 0 };
	size_t quoted, room = MIP_ICMP_MAX - MIP_IPV4_HEADER - ICMP_HEADER;
	uint8_t *icmp = out + MIP_IPV4_HEADER;

	if (mip_ipv4_parse(orig, len, MIP_INNER, &cause) || !may_report(orig, &cause))
		return 0;
	quoted = cause.total < room ? cause.total : room;
	if (cap < MIP_IPV4_HEADER + ICMP_HEADER + quoted)
		return 0;

	icmp[0] = UNREACHABLE;
	icmp[1] = code;
	mip_store16(icmp + 2, 0);
	mip_store16(icmp + 4, 0);
	mip_store16(icmp + 6, mtu);
	memcpy(icmp + ICMP_HEADER, orig, quoted);
	mip_store16(icmp + 2, mip_checksum(icmp, ICMP_HEADER + quoted));

	reply.tos = (uint8_t)(PRECEDENCE | (cause.tos & TOS_BITS));
	reply.total = (uint16_t)(MIP_IPV4_HEADER + ICMP_HEADER + quoted);
	reply.id = id;
	reply.ttl = MIP_OUTER_TTL;
	reply.protocol = MIP_PROTO_ICMP;
	reply.src_be = source_be;
	reply.dst_be = cause.src_be;
	mip_ipv4_write(out, &reply);
	return reply.total;
}
