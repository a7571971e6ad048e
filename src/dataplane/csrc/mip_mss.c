#include "mip_mss.h"

#include "mip_bytes.h"
#include "mip_checksum.h"
#include "mip_offload.h"

enum {
	TCP_HEADER = 20,
	TCP_OFFSET = 12,
	TCP_CHECK = 16,
	OPTION_END = 0,
	OPTION_NOP = 1,
	OPTION_MSS = 2,
	OPTION_MSS_LENGTH = 4,
};

/* Where in the TCP header the announced size is; 0 if there is none, or the options before it are malformed. */
static uint32_t find_mss(const uint8_t *tcp, uint32_t header)
{
	uint32_t at = TCP_HEADER, size;

	for (; at < header && tcp[at] != OPTION_END; at += size) {
		size = 1;
		if (tcp[at] == OPTION_NOP)
			continue;
		if (at + 1 >= header || tcp[at + 1] < 2 || at + tcp[at + 1] > header)
			return 0;
		size = tcp[at + 1];
		if (tcp[at] == OPTION_MSS)
			return size == OPTION_MSS_LENGTH ? at + 2 : 0;
	}
	return 0;
}

/* What two bytes add to a checksum when they begin in the middle of a word (RFC 1071 2.B). */
static uint16_t in_sum(uint16_t value, uint32_t at)
{
	return (uint16_t)(at % 2 ? value << 8 | value >> 8 : value);
}

bool mip_mss_clamp(uint8_t *packet, const struct mip_ipv4 *ip, uint32_t mtu)
{
	uint8_t *tcp = packet + ip->header;
	uint32_t header, at;
	uint16_t before, after;

	if (!mip_mss_is_syn(packet, ip) || mtu <= MIP_MSS_HEADERS)
		return false;
	header = (uint32_t)(tcp[TCP_OFFSET] >> 4) * 4;
	if (header < TCP_HEADER || header > (uint32_t)(ip->total - ip->header))
		return false;
	at = find_mss(tcp, header);
	if (!at || mip_load16(tcp + at) <= mtu - MIP_MSS_HEADERS)
		return false;
	mip_offload_finish(packet, ip);
	before = mip_load16(tcp + at);
	after = (uint16_t)(mtu - MIP_MSS_HEADERS);
	mip_store16(tcp + at, after);
	mip_store16(tcp + TCP_CHECK,
		    mip_checksum_update(mip_load16(tcp + TCP_CHECK), in_sum(before, at), in_sum(after, at)));
	return true;
}
