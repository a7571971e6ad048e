#include "mip_segment.h"

#include "mip_bytes.h"
#include "mip_checksum.h"

enum {
	TCP_SEQUENCE = 4,
	TCP_FLAGS = 12,
	TCP_CHECK = 16,
	TCP_FIN = 0x01,
	TCP_PSH = 0x08,
	TCP_CWR = 0x80,
	UDP_LENGTH = 4,
	UDP_CHECK = 6,
	IP_TOTAL = 2,
	IP_ID = 4,
	IP_CHECK = 10,
	IP_ADDRESSES = 12,
};

/* The sum of a header without the words that a segment has of its own: taken away (RFC 1624), not skipped. */
static uint64_t sum_without(const uint8_t *header, size_t len, const uint8_t *own, size_t words)
{
	uint64_t sum = mip_checksum_add(0, header, len);

	for (size_t i = 0; i < words; i++)
		sum += (uint16_t)~mip_load16(header + own[i]);
	return sum;
}

void mip_segment_begin(struct mip_segmenter *s, const uint8_t *packet, const struct mip_ipv4 *ip,
		       const struct mip_super *super)
{
	static const uint8_t own_ip[] = { IP_TOTAL, IP_ID, IP_CHECK };
	static const uint8_t own_tcp[] = { TCP_SEQUENCE, TCP_SEQUENCE + 2, TCP_FLAGS, TCP_CHECK };
	static const uint8_t own_udp[] = { UDP_LENGTH, UDP_CHECK };
	const uint8_t *transport = packet + ip->header;
	size_t len = (size_t)(super->headers - ip->header);
	bool tcp = ip->protocol == MIP_PROTO_TCP;

	s->ip = *ip;
	s->packet = packet;
	s->super = *super;
	s->payload = (uint32_t)(ip->total - super->headers);
	s->done = 0;
	s->id = ip->id;
	s->sequence = tcp ? mip_load32(transport + TCP_SEQUENCE) : 0;
	s->flags = tcp ? mip_load16(transport + TCP_FLAGS) : 0;
	s->ip_sum = sum_without(packet, ip->header, own_ip, sizeof(own_ip));
	s->transport_sum = tcp ? sum_without(transport, len, own_tcp, sizeof(own_tcp))
			       : sum_without(transport, len, own_udp, sizeof(own_udp));
	/* The pseudo-header but for the length. */
	s->transport_sum = mip_checksum_add(s->transport_sum + ip->protocol, packet + IP_ADDRESSES, 8);
}

static uint16_t write_tcp(const struct mip_segmenter *s, uint8_t *tcp, uint32_t take, uint64_t sum)
{
	uint32_t sequence = s->sequence + s->done;
	uint16_t flags = s->flags;

	/* What ends the stream or pushes it belongs to the last byte, "window reduced" is said once (RFC 3168 6.1.2). */
	if (s->done + take < s->payload)
		flags &= (uint16_t) ~(TCP_FIN | TCP_PSH);
	if (s->done > 0)
		flags &= (uint16_t)~TCP_CWR;
	mip_store16(tcp + TCP_SEQUENCE, (uint16_t)(sequence >> 16));
	mip_store16(tcp + TCP_SEQUENCE + 2, (uint16_t)sequence);
	mip_store16(tcp + TCP_FLAGS, flags);
	return (uint16_t)~mip_checksum_fold(sum + (sequence >> 16) + (sequence & 0xffff) + flags);
}

bool mip_segment_next(struct mip_segmenter *s, struct mip_packet *p)
{
	uint32_t left = s->payload - s->done, take = left < s->super.size ? left : s->super.size;
	uint8_t *ip = p->data, *transport = p->data + s->ip.header;
	uint16_t length = (uint16_t)(s->super.headers - s->ip.header + take), check;
	uint64_t sum;

	if (left == 0)
		return false;
	p->tail = s->packet + s->super.headers + s->done;
	p->tail_len = take;
	p->tail_sum = mip_checksum_fold(mip_checksum_add(0, p->tail, take));
	sum = s->transport_sum + length + p->tail_sum;
	memcpy(ip, s->packet, s->super.headers);
	if (s->ip.protocol == MIP_PROTO_TCP) {
		mip_store16(transport + TCP_CHECK, write_tcp(s, transport, take, sum));
	} else {
		mip_store16(transport + UDP_LENGTH, length);
		check = (uint16_t)~mip_checksum_fold(sum + length);
		mip_store16(transport + UDP_CHECK, check ? check : 0xffff); /* 0 would say: none */
	}
	s->ip.total = (uint16_t)(s->super.headers + take);
	s->ip.id = s->id++;
	mip_store16(ip + IP_TOTAL, s->ip.total);
	mip_store16(ip + IP_ID, s->ip.id);
	mip_store16(ip + IP_CHECK, (uint16_t)~mip_checksum_fold(s->ip_sum + s->ip.total + s->ip.id));
	s->done += take;
	p->len = s->ip.total;
	return true;
}
