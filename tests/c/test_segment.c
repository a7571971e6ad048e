/* Super-packets: what the device says of them, and that the segments are those a naive twin makes. */
#include <linux/virtio_net.h>
#include <string.h>

#include "check.h"
#include "mip_encap.h"
#include "mip_segment.h"

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4 /* kernel headers before 6.2 */
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

enum { POISON = 0xa5, FIN = 1, PSH = 8, ACK = 16, ECE = 64, CWR = 128 };

struct stream {
	uint8_t protocol, flags, ip_options, tcp_options; /* options: words */
	uint16_t id, frag, size;
	uint32_t sequence, payload;
};

static uint8_t super_packet[MIP_PACKET_MAX], twin[MIP_PACKET_MAX];
static uint8_t slot[64 + MIP_HEADROOM + MIP_SEGMENT_HEADERS + 64], whole[MIP_HEADROOM + MIP_PACKET_MAX + 64];
static struct mip_ipv4 ip;

static uint32_t transport_header(const struct stream *s)
{
	return s->protocol == MIP_PROTO_TCP ? 20u + 4u * s->tcp_options : 8;
}

static void store(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

/* The transport checksum by its definition, over a copy with the pseudo-header in front. */
static uint16_t transport_check(const uint8_t *packet, uint32_t header, uint32_t total)
{
	static uint8_t sample[12 + MIP_PACKET_MAX];

	memset(sample, 0, 12);
	memcpy(sample, packet + 12, 8);
	sample[9] = packet[9];
	store(sample + 10, total - header);
	memcpy(sample + 12, packet + header, total - header);
	return check_checksum(sample, 12 + total - header);
}

static uint32_t make(const struct stream *s)
{
	static const uint8_t options[40] = { 0x94, 4, 0, 0, 1, 1, 1, 1 };
	uint8_t *transport;
	struct check_packet c = {
		.src_be = check_address(203, 0, 113, 9),
		.dst_be = check_address(198, 51, 100, 7),
		.id = s->id,
		.frag = s->frag,
		.tos = (uint8_t)(check_random() & 0xfe),
		.ttl = 9,
		.protocol = s->protocol,
		.options = options,
		.option_len = (uint8_t)(4 * s->ip_options),
		.payload = transport_header(s) + s->payload,
	};
	uint32_t len = check_build(super_packet, &c), header = 20u + 4u * s->ip_options;

	transport = super_packet + header;
	for (uint32_t i = 0; i < c.payload; i++)
		transport[i] = (uint8_t)check_random();
	if (s->protocol == MIP_PROTO_TCP) {
		store(transport + 4, s->sequence >> 16);
		store(transport + 6, s->sequence & 0xffff);
		transport[12] = (uint8_t)(transport_header(s) / 4 << 4);
		transport[13] = s->flags;
	} else {
		store(transport + 4, c.payload);
	}
	CHECK(mip_ipv4_parse(super_packet, len, MIP_INNER, &ip) == MIP_OK);
	return len;
}

static enum mip_drop describe(const struct stream *s, struct mip_super *super)
{
	bool tcp = s->protocol == MIP_PROTO_TCP;
	struct virtio_net_hdr h = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = tcp ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_UDP_L4,
		.gso_size = s->size,
		.csum_start = ip.header,
		.csum_offset = tcp ? 16 : 6,
	};
	uint8_t in[MIP_OFFLOAD_HEADER];

	if (tcp && s->flags & CWR)
		h.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	memcpy(in, &h, sizeof(in));
	return mip_offload_read(in, super_packet, &ip, super);
}

/* Segment i as RFC 791, 9293 and 768 describe a packet, from nothing but the super-packet's bytes. */
static uint32_t make_twin(const struct stream *s, uint32_t i)
{
	uint32_t header = 20u + 4u * s->ip_options, headers = header + transport_header(s);
	uint32_t done = i * s->size, take = s->payload - done < s->size ? s->payload - done : s->size;
	uint32_t total = headers + take, sequence = s->sequence + done;
	uint8_t *transport = twin + header, *check = transport + (s->protocol == MIP_PROTO_TCP ? 16 : 6);
	uint16_t sum;

	memcpy(twin, super_packet, headers);
	memcpy(twin + headers, super_packet + headers + done, take);
	store(twin + 2, total);
	store(twin + 4, s->id + i);
	store(twin + 10, 0);
	store(twin + 10, check_checksum(twin, header));
	if (s->protocol == MIP_PROTO_TCP) {
		store(transport + 4, sequence >> 16);
		store(transport + 6, sequence & 0xffff);
		if (done + take < s->payload)
			transport[13] &= (uint8_t) ~(FIN | PSH);
		if (i > 0)
			transport[13] &= (uint8_t)~CWR;
	} else {
		store(transport + 4, 8 + take);
	}
	store(check, 0);
	sum = transport_check(twin, header, total);
	store(check, s->protocol == MIP_PROTO_UDP && sum == 0 ? 0xffff : sum);
	return total;
}

/* Encapsulated in two pieces and in one: the same datagram. */
static void encapsulate(struct mip_packet p, const struct mip_ipv4 *inner)
{
	static const enum mip_encap kinds[] = { MIP_ENCAP_IPIP, MIP_ENCAP_GRE, MIP_ENCAP_MINIMAL };
	struct mip_packet q = { .data = whole + MIP_HEADROOM, .len = p.len, .headroom = MIP_HEADROOM };
	struct mip_tunnel t = {
		.home_be = ip.dst_be,
		.local_be = check_address(192, 0, 2, 1),
		.remote_be = check_address(192, 0, 2, 2),
		.mtu = 65000,
		.side = MIP_HOME,
		.encap = kinds[check_random() % 3],
		.key_out = check_random(),
		.sequence = check_random(),
	};
	uint32_t head;

	if (t.encap == MIP_ENCAP_GRE)
		t.flags = (enum mip_flag)((check_random() & 7) * MIP_F_GRE_KEY);
	CHECK(mip_tunnel_prepare(&t));
	memcpy(q.data, twin, q.len);
	CHECK(mip_encapsulate(&p, inner, &t, 77) == MIP_OK && mip_encapsulate(&q, inner, &t, 77) == MIP_OK);
	CHECK(p.len == q.len && p.headroom == q.headroom && p.tail_len <= p.len);
	head = p.len - p.tail_len;
	CHECK(memcmp(p.data, q.data, head) == 0 && memcmp(p.tail, q.data + head, p.tail_len) == 0);
}

static void check_segments(const struct stream *s)
{
	uint32_t len = make(s), count = (s->payload + s->size - 1) / s->size, bytes = 0, i = 0;
	struct mip_super super;
	struct mip_segmenter cut;

	CHECK(describe(s, &super) == MIP_OK && super.count == count);
	mip_segment_begin(&cut, super_packet, &ip, &super);
	for (;; i++) {
		struct mip_packet p = { .data = slot + 64 + MIP_HEADROOM, .headroom = MIP_HEADROOM };
		uint32_t head, total;

		memset(slot, POISON, sizeof(slot));
		if (!mip_segment_next(&cut, &p))
			break;
		total = make_twin(s, i);
		head = p.len - p.tail_len;
		CHECK(p.len == total && cut.ip.total == total && head == super.headers);
		CHECK(memcmp(p.data, twin, head) == 0 && memcmp(p.tail, twin + head, p.tail_len) == 0);
		CHECK(slot[63 + MIP_HEADROOM] == POISON && p.data[head] == POISON);
		CHECK(mip_ipv4_parse(twin, total, MIP_INNER, &(struct mip_ipv4){ 0 }) == MIP_OK);
		encapsulate(p, &cut.ip);
		bytes += total;
	}
	CHECK(i == count && bytes == mip_segment_bytes(&ip, &super) && len == ip.total);
}

/* A UDP checksum that comes out as 0 is sent as 0xffff: 0 would say that there is none (RFC 768). */
static void zero_checksum(void)
{
	const struct stream s = { .protocol = MIP_PROTO_UDP, .size = 100, .payload = 250 };
	struct mip_packet p = { .data = slot + 64 + MIP_HEADROOM };
	struct mip_super super;
	struct mip_segmenter cut;

	make(&s);
	store(super_packet + 28, 0);
	make_twin(&s, 0);
	memcpy(super_packet + 28, twin + 26, 2);
	CHECK(describe(&s, &super) == MIP_OK);
	mip_segment_begin(&cut, super_packet, &ip, &super);
	CHECK(mip_segment_next(&cut, &p) && p.data[26] == 0xff && p.data[27] == 0xff);
	make_twin(&s, 0);
	CHECK(twin[26] == 0xff && twin[27] == 0xff);
}

static void table(void)
{
	static const uint16_t sizes[] = { 1, 2, 3, 536, 1428, 1429 };
	static const uint8_t flags[] = { ACK, ACK | PSH, ACK | FIN | PSH, ACK | CWR, ACK | CWR | ECE | FIN };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		/* One byte over, one short, an exact multiple; sequence number and Identification wrap. */
		for (uint32_t n = 2; n < 4; n++)
			for (int d = -1; d <= 1; d++)
				for (size_t f = 0; f < sizeof(flags); f++) {
					struct stream s = { .protocol = MIP_PROTO_TCP, .flags = flags[f] };

					s.size = sizes[i];
					s.payload = n * s.size + (uint32_t)d;
					s.tcp_options = (uint8_t)(f * 2);
					s.id = 0xffff;
					s.sequence = UINT32_MAX - s.size;
					if (s.payload > s.size)
						check_segments(&s);
					s.protocol = MIP_PROTO_UDP;
					s.frag = MIP_IPV4_DF;
					if (s.payload > s.size)
						check_segments(&s);
				}
	}
}

static void random_streams(void)
{
	for (int round = 0; round < 3000; round++) {
		struct stream s = {
			.protocol = check_random() % 2 ? MIP_PROTO_TCP : MIP_PROTO_UDP,
			.flags = (uint8_t)(ACK | (check_random() & (FIN | PSH | ECE | CWR))),
			.ip_options = (uint8_t)(check_random() % 8 ? 0 : check_random() % 11),
			.tcp_options = (uint8_t)(check_random() % 11),
			.id = (uint16_t)check_random(),
			.frag = check_random() % 2 ? MIP_IPV4_DF : 0,
			.size = (uint16_t)(1 + check_random() % 3000),
			.sequence = check_random(),
		};

		s.payload = s.size + 1 + check_random() % (round % 50 ? 9000 : 60000);
		if (s.payload > MIP_PACKET_MAX - MIP_SEGMENT_HEADERS)
			s.payload = MIP_PACKET_MAX - MIP_SEGMENT_HEADERS;
		if (s.payload > s.size)
			check_segments(&s);
	}
}

/* An ordinary packet: its checksum is finished where the device says it is not. */
static void ordinary(uint8_t protocol, uint32_t payload)
{
	struct stream s = { .protocol = protocol, .flags = ACK, .size = 0, .payload = payload };
	uint32_t len = make(&s);
	uint8_t *check = super_packet + 20 + (protocol == MIP_PROTO_TCP ? 16 : 6);
	struct virtio_net_hdr h = { .csum_start = 20, .csum_offset = protocol == MIP_PROTO_TCP ? 16 : 6 };
	struct mip_super super;
	uint8_t in[MIP_OFFLOAD_HEADER];
	uint16_t wanted;

	memcpy(twin, super_packet, len);
	memcpy(in, &h, sizeof(in));
	CHECK(mip_offload_read(in, super_packet, &ip, &super) == MIP_OK && super.count == 1);
	CHECK(memcmp(twin, super_packet, len) == 0);
	store(check, 0);
	wanted = transport_check(super_packet, 20, len);
	/* What the kernel leaves there is the pseudo-header's sum. */
	{
		uint8_t pseudo[12] = { 0 };

		memcpy(pseudo, super_packet + 12, 8);
		pseudo[9] = protocol;
		store(pseudo + 10, len - 20);
		store(check, (uint16_t)~check_checksum(pseudo, sizeof(pseudo)));
	}
	h.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	/* A super-packet of one segment is an ordinary packet. */
	if (payload && payload % 2) {
		h.gso_type = protocol == MIP_PROTO_TCP ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_UDP_L4;
		h.gso_size = (uint16_t)payload;
	}
	memcpy(in, &h, sizeof(in));
	CHECK(mip_offload_read(in, super_packet, &ip, &super) == MIP_OK && super.count == 1);
	CHECK((check[0] << 8 | check[1]) == (wanted ? wanted : 0xffff));
	CHECK(transport_check(super_packet, 20, len) == 0);
}

static void refused(void)
{
	struct stream s = { .protocol = MIP_PROTO_TCP, .flags = ACK, .size = 100, .payload = 500 };
	struct virtio_net_hdr good = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				       .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
				       .gso_size = 100,
				       .csum_start = 20,
				       .csum_offset = 16 },
			      h;
	struct mip_super super;

#define REFUSED(change)                                                                   \
	do {                                                                              \
		h = good;                                                                 \
		make(&s);                                                                 \
		change;                                                                   \
		CHECK(mip_offload_read((const uint8_t *)&h, super_packet, &ip, &super) == \
			      MIP_DROP_OFFLOAD &&                                         \
		      super.count == 1);                                                  \
	} while (0)
	REFUSED(h.gso_type = VIRTIO_NET_HDR_GSO_UDP_L4);
	REFUSED(h.gso_type = VIRTIO_NET_HDR_GSO_UDP);
	REFUSED(h.gso_type = VIRTIO_NET_HDR_GSO_TCPV6);
	REFUSED(h.gso_size = 0);
	REFUSED(h.flags = 0);
	REFUSED(ip.frag = MIP_IPV4_MF);
	REFUSED(super_packet[32] = 0x40);
	REFUSED(ip.total = 40; super_packet[32] = 0x50);
	REFUSED(ip.total = 41; super_packet[32] = 0xf0);
	REFUSED(h.gso_type = 0; h.csum_start = (uint16_t)(ip.total - 17));
	REFUSED(h.gso_type = 0; h.csum_start = 0xffff; h.csum_offset = 0xffff);
#undef REFUSED
	h = good;
	make(&s);
	CHECK(mip_offload_read((const uint8_t *)&h, super_packet, &ip, &super) == MIP_OK && super.count == 5);
	/* The shortest checksum that lies in the packet. */
	h.gso_type = 0;
	h.csum_start = (uint16_t)(ip.total - 18);
	CHECK(mip_offload_read((const uint8_t *)&h, super_packet, &ip, &super) == MIP_OK && super.count == 1);
}

int main(void)
{
	check_seed();
	table();
	zero_checksum();
	random_streams();
	for (uint32_t payload = 0; payload < 1460; payload += 7) {
		ordinary(MIP_PROTO_TCP, payload);
		ordinary(MIP_PROTO_UDP, payload);
	}
	refused();
	return 0;
}
