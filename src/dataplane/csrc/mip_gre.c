/* mip_gre.c - Generic Routing Encapsulation (RFC 2784), key and sequence number (RFC 2890). */
#include "mip_outer.h"

enum {
	GRE_HEADER = 4,
	GRE_FIELD = 4, /* each of the three that may follow: checksum and reserved, key, sequence */
	CHECKSUM = 0x8000,
	KEY = 0x2000,
	SEQUENCE = 0x1000,
	/* RFC 2784 2.2: bits 1 to 5, but for those of RFC 2890, and the version. */
	DISCARDED = 0x4000 | 0x0c00 | 0x0007,
	TYPE_IPV4 = 0x0800,
};

static uint32_t size_of(bool checksum, bool key, bool sequence)
{
	return GRE_HEADER + GRE_FIELD * ((uint32_t)checksum + key + sequence);
}

uint32_t mip_gre_size(uint16_t flags)
{
	return size_of(flags & MIP_F_GRE_CHECKSUM, flags & MIP_F_GRE_KEY, flags & MIP_F_GRE_SEQUENCE);
}

static void store32(uint8_t *p, uint32_t value)
{
	mip_store16(p, (uint16_t)(value >> 16));
	mip_store16(p + 2, (uint16_t)value);
}

static uint16_t checksum(const struct mip_packet *p, const uint8_t *gre, uint32_t len)
{
	return (uint16_t)~mip_checksum_fold(
		mip_checksum_add(p->tail_len ? p->tail_sum : 0, gre, len - p->tail_len));
}

void mip_gre_push(struct mip_packet *p, const struct mip_ipv4 *inner, const struct mip_tunnel *t, uint16_t id)
{
	uint32_t size = mip_gre_size(t->flags), at = GRE_HEADER;
	uint8_t *gre = p->data - size;
	uint16_t flags = 0;

	if (t->flags & MIP_F_GRE_CHECKSUM) {
		flags |= CHECKSUM;
		store32(gre + at, 0);
		at += GRE_FIELD;
	}
	if (t->flags & MIP_F_GRE_KEY) {
		flags |= KEY;
		store32(gre + at, t->key_out);
		at += GRE_FIELD;
	}
	if (t->flags & MIP_F_GRE_SEQUENCE) {
		flags |= SEQUENCE;
		store32(gre + at, t->sequence);
	}
	mip_store16(gre, flags);
	mip_store16(gre + 2, TYPE_IPV4);
	if (flags & CHECKSUM)
		mip_store16(gre + GRE_HEADER, checksum(p, gre, size + inner->total));
	p->data = gre;
	p->headroom -= size;
	mip_outer_push(p, inner, t, id, MIP_PROTO_GRE, size + inner->total);
}

enum mip_drop mip_gre_parse(const uint8_t *gre, uint32_t len, struct mip_decap *out, uint32_t *size)
{
	uint16_t flags;
	uint32_t at = GRE_HEADER;

	if (len < GRE_HEADER)
		return MIP_DROP_GRE_TRUNCATED;
	flags = mip_load16(gre);
	if (flags & DISCARDED)
		return MIP_DROP_GRE_HEADER;
	*size = size_of(flags & CHECKSUM, flags & KEY, flags & SEQUENCE);
	if (len < *size)
		return MIP_DROP_GRE_TRUNCATED;
	if (flags & CHECKSUM) {
		if (mip_checksum(gre, len))
			return MIP_DROP_GRE_CHECKSUM;
		at += GRE_FIELD;
	}
	if (mip_load16(gre + 2) != TYPE_IPV4)
		return MIP_DROP_GRE_PROTOCOL;
	out->has_key = flags & KEY;
	out->has_sequence = flags & SEQUENCE;
	if (out->has_key) {
		out->key = mip_load32(gre + at);
		at += GRE_FIELD;
	}
	if (out->has_sequence)
		out->sequence = mip_load32(gre + at);
	return MIP_OK;
}

bool mip_gre_destination(const uint8_t *gre, uint32_t len, uint32_t *destination_be)
{
	struct mip_decap ignored;
	uint32_t size;

	if (mip_gre_parse(gre, len, &ignored, &size) || len < size + MIP_IPV4_HEADER)
		return false;
	*destination_be = mip_load32_be(gre + size + 16);
	return true;
}
