#include "mip_frag.h"

#include "mip_bytes.h"
#include "mip_checksum.h"

enum {
	OPTION_END = 0,
	OPTION_NOP = 1,
	OPTION_COPIED = 0x80,
	UNIT = 8, /* offsets count eight bytes */
};

/*
 * The header of the later fragments: only options with the copied flag (RFC 791
 * 3.1), padded to a multiple of 4.  False if the options are malformed.
 */
static bool make_later_header(struct mip_frag *f)
{
	const uint8_t *options = f->packet + MIP_IPV4_HEADER;
	size_t len = (size_t)(f->ip.header - MIP_IPV4_HEADER), at = 0, kept = MIP_IPV4_HEADER;

	memset(f->later, 0, sizeof(f->later));
	memcpy(f->later, f->packet, MIP_IPV4_HEADER);
	while (at < len && options[at] != OPTION_END) {
		size_t size = 1;

		if (options[at] != OPTION_NOP) {
			if (at + 1 >= len || options[at + 1] < 2 || at + options[at + 1] > len)
				return false;
			size = options[at + 1];
		}
		if (options[at] & OPTION_COPIED) {
			memcpy(f->later + kept, options + at, size);
			kept += size;
		}
		at += size;
	}
	f->later_len = (uint8_t)((kept + 3) & ~(size_t)3);
	f->later[0] = (uint8_t)(0x40 | f->later_len / 4);
	return true;
}

bool mip_frag_begin(struct mip_frag *f, const uint8_t *packet, size_t len, uint32_t mtu)
{
	if (mip_ipv4_parse(packet, len, MIP_INNER, &f->ip) || (f->ip.frag & MIP_IPV4_DF))
		return false;
	if (mtu < (uint32_t)f->ip.header + UNIT)
		return false;
	/* Beyond the longest datagram: nobody could put it together, and an offset would run into the flags. */
	if ((uint32_t)(f->ip.frag & MIP_IPV4_OFFSET) * UNIT + f->ip.total > MIP_PACKET_MAX)
		return false;
	f->packet = packet;
	f->mtu = mtu;
	f->done = 0;
	return make_later_header(f);
}

size_t mip_frag_next(struct mip_frag *f, uint8_t *out, size_t cap)
{
	uint32_t payload = (uint32_t)(f->ip.total - f->ip.header), left = payload - f->done;
	bool first = f->done == 0;
	uint32_t header = first ? f->ip.header : f->later_len;
	uint32_t take = f->mtu - header;
	uint16_t frag;

	if (left == 0)
		return 0;
	if (left > take)
		take -= take % UNIT;
	else
		take = left;
	if (cap < header + take)
		return 0;

	frag = (uint16_t)((f->ip.frag & MIP_IPV4_OFFSET) + f->done / UNIT);
	/* A packet that is itself a middle fragment keeps MF on its last piece. */
	if (take < left || (f->ip.frag & MIP_IPV4_MF))
		frag |= MIP_IPV4_MF;
	memcpy(out, first ? f->packet : f->later, header);
	memcpy(out + header, f->packet + f->ip.header + f->done, take);
	mip_store16(out + 2, (uint16_t)(header + take));
	mip_store16(out + 6, frag);
	mip_store16(out + 10, 0);
	mip_store16(out + 10, mip_checksum(out, header));
	f->done += take;
	return header + take;
}
