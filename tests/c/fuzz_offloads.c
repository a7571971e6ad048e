/*
 * Hostile device headers and super-packets into segmentation, hostile batches into coalescing.
 * Invariants: the segments of whatever is accepted are well-formed and hold the payload, byte for
 * byte; each goes through any tunnel with its payload elsewhere and comes out the same, GRE's checksum
 * right; segments merged and cut again are the same (recut.h); so is any batch of packets.
 */
#include <assert.h>

#include "mip_bytes.h"
#include "mip_checksum.h"
#include "mip_encap.h"
#include "recut.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { STREAMS = 4, RECORD = 6 };

/*
 * The first byte: kind of input, whether the device knows UDP segments, and whether packets are large, up
 * to two super-packets in all.  Large ones reach little that small ones do not and take long, so few inputs are.
 */
enum { SUPER = 1, NO_UDP = 2, LARGE = 0xf0, ENOUGH = 2 * MIP_PACKET_MAX };

static struct recut batch;
static struct mip_coalescer coalescer;

static void mend(uint8_t *header, size_t size)
{
	mip_store16(header + 10, 0);
	mip_store16(header + 10, mip_checksum(header, size));
}

static void mend_transport(uint8_t *packet, const struct mip_ipv4 *ip)
{
	uint32_t len = (uint32_t)(ip->total - ip->header), at = ip->protocol == MIP_PROTO_TCP ? 16 : 6;
	uint8_t *transport = packet + ip->header;
	uint64_t sum = mip_checksum_add((uint64_t)ip->protocol + len, packet + 12, 8);
	uint16_t check;

	if (len < at + 2)
		return;
	mip_store16(transport + at, 0);
	check = (uint16_t)~mip_checksum_fold(mip_checksum_add(sum, transport, len));
	/* In UDP 0 says: none.  In TCP 0xffff is another way to write 0, and would come back as that. */
	mip_store16(transport + at, check || ip->protocol == MIP_PROTO_TCP ? check : 0xffff);
}

/* segment has its payload elsewhere, whole is the same in one piece; kind: one byte says which tunnel. */
static void tunnel(const struct mip_packet *segment, const uint8_t *whole, const struct mip_ipv4 *ip,
		   uint8_t kind)
{
	static const uint8_t encaps[] = { MIP_ENCAP_IPIP, MIP_ENCAP_GRE, MIP_ENCAP_MINIMAL };
	static uint8_t headers[MIP_HEADROOM + MIP_SEGMENT_HEADERS], outer[MIP_HEADROOM + MIP_PACKET_MAX];
	struct mip_packet p = *segment, out = { .data = outer };
	struct mip_tunnel t = { .home_be = 1, .local_be = 2, .remote_be = 3, .encap = encaps[kind % 3] };
	uint32_t head = segment->len - segment->tail_len;
	struct mip_decap d;

	if (t.encap == MIP_ENCAP_GRE)
		t.flags = (enum mip_flag)((kind >> 2 & 7) * MIP_F_GRE_KEY);
	t.mtu = (uint16_t)(MIP_PACKET_MAX - mip_tunnel_overhead(&t));
	assert(mip_tunnel_prepare(&t));
	p.data = memcpy(headers + MIP_HEADROOM, segment->data, head);
	p.headroom = MIP_HEADROOM;
	if (mip_encapsulate(&p, ip, &t, 7))
		return;
	assert(p.tail == segment->tail && p.tail_len == segment->tail_len && p.data >= headers);
	head = p.len - p.tail_len;
	memcpy(outer, p.data, head);
	memcpy(outer + head, p.tail, p.tail_len);
	out.len = p.len;
	assert(mip_decapsulate(&out, (enum mip_encap)t.encap, &d) == MIP_OK);
	assert(out.len == segment->len && memcmp(out.data, whole, out.len) == 0);
}

/* Cuts what the device gave; the first batch of it is merged and cut again. */
static void segments(const uint8_t *in, uint8_t *packet, const struct mip_ipv4 *ip)
{
	struct mip_segmenter s;
	struct mip_super super;
	uint32_t done = 0, count = 0;

	if (mip_offload_read(in, packet, ip, &super) || super.count == 1)
		return;
	batch.count = 0;
	mip_segment_begin(&s, packet, ip, &super);
	for (;; count++) {
		struct mip_packet p = { .data = recut_packet(&batch, count % MIP_BATCH) };
		struct mip_ipv4 one;
		uint32_t head;

		if (!mip_segment_next(&s, &p))
			break;
		head = p.len - p.tail_len;
		assert(head == super.headers && p.tail_len <= super.size && p.tail == packet + head + done);
		memcpy(p.data + head, p.tail, p.tail_len);
		done += p.tail_len;
		assert(mip_ipv4_parse(p.data, p.len, MIP_INNER, &one) == MIP_OK && one.total == p.len);
		assert(memcmp(&one, &s.ip, offsetof(struct mip_ipv4, protocol) + 1) == 0);
		if (count < MIP_BATCH)
			tunnel(&p, p.data, &one, (uint8_t)(in[2] + count));
		if (count < MIP_BATCH) {
			batch.len[batch.count] = p.len;
			batch.tunnel[batch.count++] = 0;
		}
	}
	assert(count == super.count && done == (uint32_t)(ip->total - super.headers));
	if (count <= MIP_BATCH)
		recut(&batch, &coalescer);
}

static void super_packet(const uint8_t *data, size_t len)
{
	uint8_t *packet;
	struct mip_ipv4 ip;
	size_t header;

	if (len <= MIP_OFFLOAD_HEADER)
		return;
	len -= MIP_OFFLOAD_HEADER;
	packet = malloc(len);
	memcpy(packet, data + MIP_OFFLOAD_HEADER, len);
	header = (size_t)(packet[0] & 15) * 4;
	if (header >= MIP_IPV4_HEADER && header <= len)
		mend(packet, header);
	if (mip_ipv4_parse(packet, len, MIP_INNER, &ip) == MIP_OK)
		segments(data, packet, &ip);
	free(packet);
}

struct stream {
	uint32_t sequence;
	uint16_t id, size;
};

/* One packet of a stream, bent as the record says: kind, sizes, and which byte of the headers to change how.  Its bytes. */
static uint32_t add(const uint8_t r[RECORD], struct stream streams[STREAMS], bool large)
{
	struct stream *s = &streams[r[0] % STREAMS];
	uint8_t *packet = recut_packet(&batch, batch.count), *transport = packet + MIP_IPV4_HEADER;
	bool tcp = r[0] & 4;
	uint32_t own = tcp ? 20u + (r[0] & 8u) * 4 : 8, headers = MIP_IPV4_HEADER + own;
	struct mip_ipv4 ip = { .src_be = 1, .ttl = 9, .protocol = tcp ? MIP_PROTO_TCP : MIP_PROTO_UDP };

	if (r[1])
		s->size = (uint16_t)(large && r[0] & 16 ? r[1] << (r[0] & 64 ? 8 : 4) : r[1]);
	ip.dst_be = 2u + r[0] % STREAMS;
	ip.frag = r[0] & 32 ? MIP_IPV4_DF : 0;
	ip.id = s->id++;
	ip.total = (uint16_t)(headers + s->size > MIP_PACKET_MAX ? MIP_PACKET_MAX : headers + s->size);
	memset(packet, 0, headers);
	mip_ipv4_write(packet, &ip);
	if (tcp) {
		mip_store16(transport + 4, (uint16_t)(s->sequence >> 16));
		mip_store16(transport + 6, (uint16_t)s->sequence);
		transport[12] = (uint8_t)(own / 4 << 4);
		transport[13] = 16;
		s->sequence += ip.total - headers;
	} else {
		mip_store16(transport + 4, (uint16_t)(ip.total - MIP_IPV4_HEADER));
	}
	memset(packet + headers, r[1], ip.total - headers);
	if (r[2] & 1)
		packet[MIP_IPV4_HEADER + r[3] % own] ^= r[4];
	if (r[2] & 2)
		packet[4 + r[5] % 16] ^= r[4];
	mend(packet, MIP_IPV4_HEADER);
	if (mip_ipv4_parse(packet, ip.total, MIP_INNER, &ip))
		return 0;
	if (!(r[2] & 4))
		mend_transport(packet, &ip);
	batch.len[batch.count] = ip.total;
	batch.tunnel[batch.count++] = r[2] >> 7;
	return ip.total;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct stream streams[STREAMS] = { { 0 } };
	uint32_t bytes = 0;
	bool large;

	if (len == 0)
		return 0;
	large = (data[0] & LARGE) == LARGE;
	coalescer.udp = !(data[0] & NO_UDP);
	if (data[0] & SUPER) {
		super_packet(data + 1, len - 1);
		return 0;
	}
	batch.count = 0;
	/* Enough to fill a super-packet and begin another: more only takes time. */
	for (data++, len--; len >= RECORD && batch.count < MIP_BATCH && bytes < ENOUGH;
	     data += RECORD, len -= RECORD)
		bytes += add(data, streams, large);
	recut(&batch, &coalescer);
	return 0;
}
