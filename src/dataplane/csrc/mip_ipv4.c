#include "mip_ipv4.h"

#include "mip_bytes.h"
#include "mip_checksum.h"

struct reasons {
	enum mip_drop truncated, version, header, checksum;
};

static const struct reasons reasons[] = {
	[MIP_INNER] = { MIP_DROP_INNER_TRUNCATED, MIP_DROP_INNER_NOT_IPV4, MIP_DROP_INNER_HEADER,
			MIP_DROP_INNER_CHECKSUM },
	[MIP_OUTER] = { MIP_DROP_OUTER_TRUNCATED, MIP_DROP_OUTER_NOT_IPV4, MIP_DROP_OUTER_HEADER,
			MIP_DROP_OUTER_CHECKSUM },
};

enum mip_drop mip_ipv4_parse_any(const uint8_t *data, size_t len, enum mip_layer layer, struct mip_ipv4 *ip)
{
	const struct reasons *why = &reasons[layer];

	if (len == 0)
		return why->truncated;
	/* The version first: a short IPv6 packet is still "not IPv4". */
	if (data[0] >> 4 != 4)
		return why->version;
	if (len < MIP_IPV4_HEADER)
		return why->truncated;
	ip->header = (uint8_t)((data[0] & 0x0f) * 4);
	ip->total = mip_load16(data + 2);
	if (ip->header < MIP_IPV4_HEADER || ip->total < ip->header)
		return why->header;
	if (ip->total > len)
		return why->truncated;
	if (!mip_checksum_header_ok(data, ip->header))
		return why->checksum;
	mip_ipv4_read(data, ip);
	return MIP_OK;
}

void mip_ipv4_write(uint8_t *out, const struct mip_ipv4 *ip)
{
	out[0] = 0x45;
	out[1] = ip->tos;
	mip_store16(out + 2, ip->total);
	mip_store16(out + 4, ip->id);
	mip_store16(out + 6, ip->frag);
	out[8] = ip->ttl;
	out[9] = ip->protocol;
	mip_store16(out + 10, 0);
	mip_store32_be(out + 12, ip->src_be);
	mip_store32_be(out + 16, ip->dst_be);
	mip_store16(out + 10, mip_checksum(out, MIP_IPV4_HEADER));
}
