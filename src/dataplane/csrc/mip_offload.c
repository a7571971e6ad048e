#include "mip_offload.h"

#include "mip_bytes.h"
#include "mip_checksum.h"

/* struct virtio_net_hdr: flags, gso_type, then four 16-bit numbers in host order. */
struct header {
	uint8_t flags, gso_type;
	uint16_t header_len, gso_size, csum_start, csum_offset;
};

_Static_assert(sizeof(struct header) == MIP_OFFLOAD_HEADER, "the layout the kernel reads");

enum { NEEDS_CSUM = 1, GSO_TCPV4 = 1, GSO_UDP_L4 = 5, GSO_ECN = 0x80 };
enum { TCP_HEADER = 20, TCP_FLAGS = 13, TCP_CHECK = 16, TCP_CWR = 0x80, UDP_HEADER = 8, UDP_CHECK = 6 };

/* The pseudo-header's sum, as a sender leaves it for a card to finish (not complemented). */
static uint16_t pseudo_sum(const uint8_t *packet, const struct mip_ipv4 *ip)
{
	uint64_t sum = mip_checksum_add((uint64_t)ip->protocol + ip->total - ip->header, packet + 12, 8);

	return mip_checksum_fold(sum);
}

/* Where the checksum is in the transport header that begins there; 0 if it is none of ours to look at. */
static uint16_t checksum_offset(const struct mip_ipv4 *ip)
{
	uint32_t payload = (uint32_t)(ip->total - ip->header);

	if (mip_ipv4_is_fragment(ip))
		return 0;
	if (ip->protocol == MIP_PROTO_TCP && payload >= TCP_HEADER)
		return TCP_CHECK;
	return ip->protocol == MIP_PROTO_UDP && payload >= UDP_HEADER ? UDP_CHECK : 0;
}

bool mip_offload_is_pending(const uint8_t *packet, const struct mip_ipv4 *ip)
{
	uint16_t offset = checksum_offset(ip);

	return offset && mip_load16(packet + ip->header + offset) == pseudo_sum(packet, ip);
}

struct mip_offload mip_offload_describe(uint8_t out[MIP_OFFLOAD_HEADER], const uint8_t *packet,
					const struct mip_ipv4 *ip, uint32_t mtu)
{
	struct mip_offload result = { false, false };
	struct header h = { 0 };
	const uint8_t *transport = packet + ip->header;
	uint16_t offset = checksum_offset(ip);
	uint32_t headers;

	memset(out, 0, MIP_OFFLOAD_HEADER);
	if (!offset || mip_load16(transport + offset) != pseudo_sum(packet, ip))
		return result;
	result.checksum_pending = true;
	h.flags = NEEDS_CSUM;
	h.csum_start = ip->header;
	h.csum_offset = offset;
	if (offset == TCP_CHECK && ip->total > mtu) {
		headers = ip->header + (uint32_t)(transport[12] >> 4) * 4;
		if (headers >= (uint32_t)ip->header + TCP_HEADER && headers < ip->total &&
		    headers + 8 <= mtu) {
			result.merged = true;
			h.gso_type = GSO_TCPV4;
			h.header_len = (uint16_t)headers;
			h.gso_size = (uint16_t)(mtu - headers);
		}
	}
	memcpy(out, &h, sizeof(h));
	return result;
}

void mip_offload_finish(uint8_t *packet, const struct mip_ipv4 *ip)
{
	uint8_t *transport = packet + ip->header;
	uint16_t offset = checksum_offset(ip), check;

	if (!offset || mip_load16(transport + offset) != pseudo_sum(packet, ip))
		return;
	/* What is there already counts the pseudo-header. */
	check = mip_checksum(transport, (size_t)(ip->total - ip->header));
	mip_store16(transport + offset, offset == UDP_CHECK && check == 0 ? 0xffff : check);
}

/* As the kernel's own software does it: the field holds the sum of what is before csum_start. */
static bool finish_at(uint8_t *packet, uint32_t total, uint32_t start, uint32_t offset)
{
	uint16_t check;

	if (start + offset + 2 > total)
		return false;
	check = mip_checksum(packet + start, total - start);
	mip_store16(packet + start + offset, check ? check : 0xffff);
	return true;
}

/* Bytes of both headers of a super-packet; 0 if it cannot be one. */
static uint16_t super_headers(const uint8_t *packet, const struct mip_ipv4 *ip, uint8_t type)
{
	uint16_t check = checksum_offset(ip);
	uint32_t transport = UDP_HEADER;

	if (check != (type == GSO_TCPV4 ? TCP_CHECK : UDP_CHECK))
		return 0;
	if (type == GSO_TCPV4)
		transport = (uint32_t)(packet[ip->header + 12] >> 4) * 4;
	if ((type == GSO_TCPV4 && transport < TCP_HEADER) || ip->header + transport >= ip->total)
		return 0;
	return (uint16_t)(ip->header + transport);
}

enum mip_drop mip_offload_read(const uint8_t in[MIP_OFFLOAD_HEADER], uint8_t *packet,
			       const struct mip_ipv4 *ip, struct mip_super *super)
{
	struct header h;
	uint32_t headers, payload;
	uint8_t type;

	memcpy(&h, in, sizeof(h));
	*super = (struct mip_super){ .count = 1 };
	type = (uint8_t)(h.gso_type & ~GSO_ECN);
	if (type) {
		headers = type == GSO_TCPV4 || type == GSO_UDP_L4 ? super_headers(packet, ip, type) : 0;
		if (headers == 0 || h.gso_size == 0 || !(h.flags & NEEDS_CSUM))
			return MIP_DROP_OFFLOAD;
		payload = ip->total - headers;
		if (payload > h.gso_size) {
			super->count = (uint16_t)((payload + h.gso_size - 1) / h.gso_size);
			super->size = h.gso_size;
			super->headers = (uint16_t)headers;
			return MIP_OK;
		}
	}
	if (h.flags & NEEDS_CSUM && !finish_at(packet, ip->total, h.csum_start, h.csum_offset))
		return MIP_DROP_OFFLOAD;
	return MIP_OK;
}

void mip_offload_whole(uint8_t out[MIP_OFFLOAD_HEADER], const uint8_t *packet, const struct mip_ipv4 *ip,
		       const struct mip_super *super, uint32_t behind)
{
	const bool reduced = packet[ip->header + TCP_FLAGS] & TCP_CWR;
	const struct header h = {
		.flags = NEEDS_CSUM,
		.gso_type = (uint8_t)(GSO_TCPV4 | (reduced ? GSO_ECN : 0)),
		.header_len = (uint16_t)(super->headers + behind),
		.gso_size = super->size,
		.csum_start = (uint16_t)(ip->header + behind),
		.csum_offset = TCP_CHECK,
	};

	memcpy(out, &h, sizeof(h));
}

void mip_offload_merge(uint8_t *packet, struct mip_ipv4 *ip, const struct mip_super *super, uint32_t total)
{
	bool tcp = ip->protocol == MIP_PROTO_TCP;
	uint8_t *transport = packet + ip->header;
	const struct header h = {
		.flags = NEEDS_CSUM,
		.gso_type = tcp ? GSO_TCPV4 : GSO_UDP_L4,
		.header_len = super->headers,
		.gso_size = super->size,
		.csum_start = ip->header,
		.csum_offset = tcp ? TCP_CHECK : UDP_CHECK,
	};

	mip_store16(packet + 2, (uint16_t)total);
	mip_store16(packet + 10, mip_checksum_update(mip_load16(packet + 10), ip->total, (uint16_t)total));
	ip->total = (uint16_t)total;
	if (!tcp)
		mip_store16(transport + 4, (uint16_t)(total - ip->header));
	mip_store16(transport + h.csum_offset, pseudo_sum(packet, ip));
	memcpy(packet - MIP_OFFLOAD_HEADER, &h, sizeof(h));
}
