/*
 * Hostile bytes into every parser.  Invariant: any bytes give a packet or one
 * named reason, nothing beyond the given buffer is read, and what was accepted
 * is well-formed and survives being encapsulated and decapsulated again.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mip_checksum.h"
#include "mip_encap.h"
#include "mip_frag.h"
#include "mip_icmp.h"
#include "mip_mss.h"
#include "mip_offload.h"
#include "mip_path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const enum mip_encap kinds[] = { MIP_ENCAP_IPIP, MIP_ENCAP_GRE, MIP_ENCAP_MINIMAL };

/* Random bytes hardly ever have right checksums: set them, if there is a header to set them in. */
static void mend(uint8_t *header, size_t len)
{
	size_t size = len ? (size_t)(header[0] & 15) * 4 : 0;
	uint16_t check;

	if (size < MIP_IPV4_HEADER || size > len)
		return;
	header[10] = header[11] = 0;
	check = mip_checksum(header, size);
	header[10] = (uint8_t)(check >> 8);
	header[11] = (uint8_t)check;
}

static void mend_minimal(uint8_t *header)
{
	uint16_t check;

	header[2] = header[3] = 0;
	check = mip_checksum(header, header[1] & 0x80 ? 12 : 8);
	header[2] = (uint8_t)(check >> 8);
	header[3] = (uint8_t)check;
}

/* What the device is told to cut, it can: as we do it. */
static void described(const uint8_t *header, const uint8_t *packet, const struct mip_ipv4 *ip)
{
	static uint8_t copy[MIP_PACKET_MAX];
	struct mip_super super;

	memcpy(copy, packet, ip->total);
	assert(mip_offload_read(header, copy, ip, &super) == MIP_OK);
	assert(super.count > 1 && super.headers + super.size == 576);
}

/* Changes at most two bytes and the checksum, within the packet; a second time changes nothing. */
static void clamp(const uint8_t *packet, const struct mip_ipv4 *ip)
{
	uint8_t *copy = malloc(ip->total);
	uint32_t changed = 0;

	memcpy(copy, packet, ip->total);
	if (mip_mss_clamp(copy, ip, 500)) {
		for (uint32_t i = 0; i < ip->total; i++)
			changed += copy[i] != packet[i];
		assert(changed >= 1 && changed <= 4);
	}
	assert(!mip_mss_clamp(copy, ip, 500));
	free(copy);
}

static void inner(uint8_t *packet, uint32_t len)
{
	static uint8_t room[MIP_HEADROOM + MIP_PACKET_MAX], out[MIP_PACKET_MAX];
	struct mip_tunnel t = {
		.home_be = 1, .local_be = 2, .remote_be = 3, .mtu = 900, .encap = MIP_ENCAP_IPIP
	};
	struct mip_packet p = { .data = room + MIP_HEADROOM, .len = len, .headroom = MIP_HEADROOM };
	struct mip_ipv4 ip;
	struct mip_decap d;
	struct mip_frag f;
	uint8_t header[MIP_OFFLOAD_HEADER];
	bool fallback;
	size_t size;

	if (mip_ipv4_parse(packet, len, MIP_INNER, &ip))
		return;
	assert(ip.total <= len && ip.header <= ip.total);
	if (mip_offload_describe(header, packet, &ip, 576).merged)
		described(header, packet, &ip);
	mip_encap_is_to_itself(packet, &ip);
	clamp(packet, &ip);
	size = mip_icmp_frag_needed(out, MIP_ICMP_MAX, packet, len, 2, 900, 1);
	assert(size == 0 || (size >= 48 && size <= MIP_ICMP_MAX));
	if (mip_frag_begin(&f, packet, len, 100))
		while ((size = mip_frag_next(&f, out, sizeof(out))))
			assert(size <= 100 && !mip_ipv4_parse(out, size, MIP_INNER, &(struct mip_ipv4){ 0 }));

	/* The packet says which encapsulation: all ways in are all ways out. */
	t.encap = kinds[ip.id % 3];
	t.flags = (enum mip_flag)(t.encap == MIP_ENCAP_GRE ? (ip.id >> 8 & 7) * MIP_F_GRE_KEY : 0);
	memcpy(p.data, packet, len);
	assert(mip_tunnel_prepare(&t));
	if (mip_encapsulate(&p, &ip, &t, 1))
		return;
	fallback = t.encap == MIP_ENCAP_MINIMAL && mip_ipv4_is_fragment(&ip);
	assert(mip_decapsulate(&p, fallback ? MIP_ENCAP_IPIP : (enum mip_encap)t.encap, &d) == MIP_OK);
	assert(p.len == ip.total && memcmp(p.data, packet, p.len) == 0);
}

/* A copy of exactly this size, so that the sanitizer sees every read beyond it. */
static void outer(const uint8_t *data, size_t len, enum mip_encap type)
{
	uint8_t *copy = malloc(len ? len : 1);
	struct mip_packet p = { .data = copy, .len = (uint32_t)len, .headroom = 0 };
	struct mip_decap d;
	size_t header;

	memcpy(copy, data, len);
	if (len > 9)
		copy[9] = (uint8_t)type;
	mend(copy, len);
	header = len ? (size_t)(copy[0] & 15) * 4 : 0;
	if (type == MIP_ENCAP_MINIMAL && header + 12 <= len)
		mend_minimal(copy + header);
	if (type == MIP_ENCAP_GRE)
		header += 4;
	if (header < len)
		mend(copy + header, len - header);
	if (mip_decapsulate(&p, type, &d) == MIP_OK) {
		assert(p.len == d.inner.total && p.data + p.len <= copy + len && p.data >= copy);
		assert(!mip_path_is_probe(p.data, &d) || d.inner.dst_be == d.outer.dst_be);
		inner(p.data, p.len);
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	for (int i = 0; i < 3; i++)
		outer(data, len, kinds[i]);
	memcpy(copy, data, len);
	mend(copy, len);
	inner(copy, (uint32_t)len);
	free(copy);
	return 0;
}
