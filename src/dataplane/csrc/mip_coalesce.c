#include "mip_coalesce.h"

#include "mip_bytes.h"
#include "mip_checksum.h"

enum {
	TCP_HEADER = 20,
	TCP_SEQUENCE = 4,
	TCP_ACK_NUMBER = 8,
	TCP_OFFSET = 12,
	TCP_FLAGS = 13,
	TCP_WINDOW = 14,
	TCP_URGENT = 18,
	TCP_PSH = 0x08,
	TCP_ACK = 0x10,
	UDP_HEADER = 8,
	UDP_LENGTH = 4,
	UDP_CHECK = 6,
};

/* Bytes of the transport header of a packet that may be merged, by what its headers say; else 0. */
static uint32_t tcp_header(const uint8_t *tcp, uint32_t len)
{
	uint32_t header;

	if (len < TCP_HEADER || (tcp[TCP_FLAGS] & ~TCP_PSH) != TCP_ACK || tcp[TCP_OFFSET] & 0x0f)
		return 0;
	header = (uint32_t)(tcp[TCP_OFFSET] >> 4) * 4;
	return header >= TCP_HEADER && header < len ? header : 0;
}

static uint32_t udp_header(const uint8_t *udp, uint32_t len)
{
	if (len <= UDP_HEADER || mip_load16(udp + UDP_LENGTH) != len || mip_load16(udp + UDP_CHECK) == 0)
		return 0;
	return UDP_HEADER;
}

static bool checksum_ok(const uint8_t *packet, const struct mip_ipv4 *ip, uint32_t mtu, bool *pending)
{
	uint32_t len = (uint32_t)(ip->total - ip->header);
	uint64_t sum = mip_checksum_add((uint64_t)ip->protocol + len, packet + 12, 8);

	*pending = ip->total <= mtu && mip_offload_is_pending(packet, ip);
	if (*pending)
		return true;

	return mip_checksum_fold(mip_checksum_add(sum, packet + ip->header, len)) == 0xffff;
}

struct mip_candidate mip_coalesce_examine(const struct mip_coalescer *c, uint8_t *packet,
					  const struct mip_ipv4 *ip, uint32_t tunnel)
{
	struct mip_candidate k = { .packet = packet, .ip = ip, .tunnel = tunnel };
	uint32_t len = (uint32_t)(ip->total - ip->header), header = 0;
	bool tcp = ip->protocol == MIP_PROTO_TCP;

	if ((!tcp && ip->protocol != MIP_PROTO_UDP) || mip_ipv4_is_fragment(ip) || len < UDP_HEADER)
		return k;
	k.has_ports = true;
	k.ports = mip_load32(packet + ip->header);
	if (ip->header == MIP_IPV4_HEADER && !mip_is_group(ip->dst_be))
		header = tcp ? tcp_header(packet + ip->header, len)
			     : (c->udp ? udp_header(packet + ip->header, len) : 0);
	k.headers = ip->header + header;
	k.fit = header && checksum_ok(packet, ip, c->mtu, &k.pending);
	return k;
}

static bool is_of(const struct mip_flow *f, const struct mip_candidate *k)
{
	return f->count && f->ip.src_be == k->ip->src_be && f->ip.dst_be == k->ip->dst_be &&
	       f->ip.protocol == k->ip->protocol && (!k->has_ports || f->ports == k->ports);
}

static struct mip_flow *find(struct mip_coalescer *c, const struct mip_candidate *k)
{
	for (uint32_t i = 0; i < MIP_FLOWS; i++)
		if (is_of(&c->flows[i], k))
			return &c->flows[i];
	return NULL;
}

static struct mip_flow *find_free(struct mip_coalescer *c)
{
	for (uint32_t i = 0; i < MIP_FLOWS; i++)
		if (!c->flows[i].count)
			return &c->flows[i];
	return NULL;
}

/* The first has no PSH, or the flow would be closed; all but that flag must be equal. */
static bool is_next_tcp(const struct mip_flow *f, const struct mip_candidate *k)
{
	const uint8_t *a = f->first + MIP_IPV4_HEADER, *b = k->packet + MIP_IPV4_HEADER;
	uint32_t options = f->headers - MIP_IPV4_HEADER - TCP_HEADER;

	return mip_load32(b + TCP_SEQUENCE) == f->sequence &&
	       memcmp(a + TCP_ACK_NUMBER, b + TCP_ACK_NUMBER, 4) == 0 &&
	       memcmp(a + TCP_WINDOW, b + TCP_WINDOW, 2) == 0 &&
	       memcmp(a + TCP_URGENT, b + TCP_URGENT, 2 + options) == 0;
}

static bool is_next(const struct mip_flow *f, const struct mip_candidate *k)
{
	const struct mip_ipv4 *a = &f->ip, *b = k->ip;
	uint32_t payload = b->total - k->headers;

	if (!k->fit || f->closed || f->tunnel != k->tunnel || f->headers != k->headers)
		return false;
	if (payload > f->size || f->total + payload > MIP_PACKET_MAX || f->count == MIP_BATCH)
		return false;
	if (a->tos != b->tos || a->ttl != b->ttl || a->frag != b->frag)
		return false;
	if (!(a->frag & MIP_IPV4_DF) && b->id != (uint16_t)(a->id + f->count))
		return false;
	return a->protocol == MIP_PROTO_UDP || is_next_tcp(f, k);
}

struct mip_flow *mip_coalesce_before(struct mip_coalescer *c, const struct mip_candidate *k)
{
	struct mip_flow *f = find(c, k);

	if (f)
		return is_next(f, k) ? NULL : f;
	if (!k->fit || find_free(c))
		return NULL;
	f = &c->flows[c->turn];
	c->turn = (c->turn + 1) % MIP_FLOWS;
	return f;
}

bool mip_coalesce_take(struct mip_coalescer *c, const struct mip_candidate *k)
{
	struct mip_flow *f;
	uint32_t payload = k->ip->total - k->headers;
	const uint8_t *tcp = k->packet + MIP_IPV4_HEADER;

	if (!k->fit)
		return false;
	f = find(c, k);
	if (f) {
		f->payload[f->count - 1] = (struct iovec){ k->packet + k->headers, payload };
		f->total += payload;
	} else {
		f = find_free(c);
		f->first = k->packet;
		f->ip = *k->ip;
		f->tunnel = k->tunnel;
		f->ports = k->ports;
		f->pending = k->pending;
		f->headers = k->headers;
		f->size = payload;
		f->total = k->ip->total;
	}
	f->count++;
	f->push = false;
	f->closed = payload < f->size;
	if (k->ip->protocol == MIP_PROTO_TCP) {
		f->sequence = mip_load32(tcp + TCP_SEQUENCE) + payload;
		f->push = tcp[TCP_FLAGS] & TCP_PSH;
		f->closed |= f->push;
	}
	return true;
}

uint32_t mip_coalesce_finish(struct mip_flow *f, struct iovec iov[MIP_BATCH])
{
	uint8_t *start = f->first - MIP_OFFLOAD_HEADER;
	uint32_t used = f->count;

	iov[0] = (struct iovec){ start, (size_t)MIP_OFFLOAD_HEADER + f->ip.total };
	memcpy(iov + 1, f->payload, (used - 1) * sizeof(*iov));
	f->count = 0;
	if (used == 1) {
		memset(start, 0, MIP_OFFLOAD_HEADER);
		if (f->pending)
			mip_offload_describe(start, f->first, &f->ip, MIP_PACKET_MAX);
		return used;
	}
	if (f->push)
		f->first[MIP_IPV4_HEADER + TCP_FLAGS] |= TCP_PSH;
	mip_offload_merge(f->first, &f->ip,
			  &(struct mip_super){ .size = (uint16_t)f->size,
					       .headers = (uint16_t)f->headers,
					       .count = (uint16_t)used },
			  f->total);
	return used;
}
