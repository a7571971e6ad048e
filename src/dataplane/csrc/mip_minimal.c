/* mip_minimal.c - minimal encapsulation within IP (RFC 2004). */
#include "mip_bytes.h"
#include "mip_checksum.h"
#include "mip_push.h"

enum { SOURCE_PRESENT = 0x80 };

static void finish_header(uint8_t *ip, uint32_t header)
{
	mip_store16(ip + 10, 0);
	mip_store16(ip + 10, mip_checksum(ip, header));
}

/*
 * The IP header, options and all, moves to the front and is changed there: protocol,
 * addresses, length.  ToS, TTL, Identification and DF stay the packet's own.
 */
void mip_minimal_push(struct mip_packet *p, const struct mip_ipv4 *inner, const struct mip_tunnel *t)
{
	bool source = inner->src_be != t->local_be;
	uint32_t size = source ? MIP_MINIMAL_LONG : MIP_MINIMAL_SHORT;
	uint8_t *ip = p->data - size, *minimal = ip + inner->header;

	memmove(ip, p->data, inner->header);
	minimal[0] = inner->protocol;
	minimal[1] = source ? SOURCE_PRESENT : 0;
	mip_store16(minimal + 2, 0);
	mip_store32_be(minimal + 4, inner->dst_be);
	if (source)
		mip_store32_be(minimal + 8, inner->src_be);
	mip_store16(minimal + 2, mip_checksum(minimal, size));

	p->len = inner->total + size;
	mip_store16(ip + 2, (uint16_t)p->len);
	ip[9] = MIP_PROTO_MINIMAL;
	mip_store32_be(ip + 12, t->local_be);
	mip_store32_be(ip + 16, t->remote_be);
	finish_header(ip, inner->header);
	p->data = ip;
	p->headroom -= size;
}

enum mip_drop mip_minimal_pop(struct mip_packet *p, struct mip_decap *out)
{
	uint32_t header = out->outer.header, len = (uint32_t)(out->outer.total - header), size;
	uint8_t *minimal = p->data + header, *ip;
	uint32_t dst_be, src_be;
	uint8_t protocol;

	if (len < MIP_MINIMAL_SHORT)
		return MIP_DROP_MINIMAL_TRUNCATED;
	size = minimal[1] & SOURCE_PRESENT ? MIP_MINIMAL_LONG : MIP_MINIMAL_SHORT;
	if (len < size)
		return MIP_DROP_MINIMAL_TRUNCATED;
	if (mip_checksum(minimal, size))
		return MIP_DROP_MINIMAL_CHECKSUM;
	protocol = minimal[0];
	dst_be = mip_load32_be(minimal + 4);
	src_be = minimal[1] & SOURCE_PRESENT ? mip_load32_be(minimal + 8) : out->outer.src_be;

	ip = p->data + size;
	memmove(ip, p->data, header);
	p->data = ip;
	p->len = out->outer.total - size;
	p->headroom += size;
	mip_store16(ip + 2, (uint16_t)p->len);
	ip[9] = protocol;
	mip_store32_be(ip + 12, src_be);
	mip_store32_be(ip + 16, dst_be);
	finish_header(ip, header);

	out->inner = out->outer;
	out->inner.total = (uint16_t)p->len;
	out->inner.protocol = protocol;
	out->inner.src_be = src_be;
	out->inner.dst_be = dst_be;
	return MIP_OK;
}
