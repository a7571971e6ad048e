/* What the TUN device is told of unfinished checksums and merged segments. */
#include <linux/virtio_net.h>
#include <string.h>

#include "check.h"
#include "mip_checksum.h"
#include "mip_offload.h"

static uint8_t packet[9000];
static struct mip_ipv4 ip;

/* A TCP or UDP packet; pending: its checksum field holds only the pseudo-header. */
static void make(uint8_t protocol, uint32_t payload, uint16_t frag, bool pending)
{
	struct check_packet c = {
		.src_be = check_address(203, 0, 113, 9),
		.dst_be = check_address(198, 51, 100, 7),
		.frag = frag,
		.ttl = 9,
		.protocol = protocol,
		.payload = payload,
	};
	uint32_t len = check_build(packet, &c);
	uint8_t *check = packet + 20 + (protocol == MIP_PROTO_TCP ? 16 : 6), pseudo[12] = { 0 };
	uint16_t sum;

	memcpy(pseudo, packet + 12, 8);
	pseudo[9] = protocol;
	pseudo[10] = (uint8_t)(payload >> 8);
	pseudo[11] = (uint8_t)payload;
	sum = (uint16_t)~check_checksum(pseudo, sizeof(pseudo));
	packet[32] = 0x80; /* TCP header of 32 bytes */
	check[0] = (uint8_t)((pending ? sum : sum + 1) >> 8);
	check[1] = (uint8_t)(pending ? sum : sum + 1);
	CHECK(mip_ipv4_parse(packet, len, MIP_INNER, &ip) == MIP_OK);
}

static struct virtio_net_hdr describe(uint32_t mtu, bool pending, bool merged)
{
	uint8_t out[MIP_OFFLOAD_HEADER + 1];
	struct virtio_net_hdr h;
	struct mip_offload result;

	memset(out, 0xa5, sizeof(out));
	result = mip_offload_describe(out, packet, &ip, mtu);
	CHECK(out[MIP_OFFLOAD_HEADER] == 0xa5);
	CHECK(result.checksum_pending == pending && result.merged == merged);
	memcpy(&h, out, sizeof(h));
	CHECK((h.flags == VIRTIO_NET_HDR_F_NEEDS_CSUM) == pending);
	CHECK((h.gso_type == VIRTIO_NET_HDR_GSO_TCPV4) == merged);
	return h;
}

/* Finished as the kernel would: then the transport header's sum with the pseudo-header's is right. */
static void finish(uint8_t protocol, uint32_t payload)
{
	uint8_t sample[12 + 2000] = { 0 };
	uint16_t check;

	make(protocol, payload, 0, true);
	mip_offload_finish(packet, &ip);
	memcpy(sample, packet + 12, 8);
	sample[9] = protocol;
	sample[10] = (uint8_t)(payload >> 8);
	sample[11] = (uint8_t)payload;
	memcpy(sample + 12, packet + 20, payload);
	CHECK(check_checksum(sample, 12 + payload) == 0);
	describe(1480, false, false);
	/* A finished one stays. */
	check = (uint16_t)(packet[26] << 8 | packet[27]);
	mip_offload_finish(packet, &ip);
	CHECK(check == (packet[26] << 8 | packet[27]));
	/* What is not known to be unfinished stays too: a fragment. */
	make(protocol, payload, MIP_IPV4_MF, true);
	memcpy(sample, packet, payload);
	mip_offload_finish(packet, &ip);
	CHECK(memcmp(sample, packet, payload) == 0);
}

/* Behind 34 bytes of other headers; what the device wrote in front is gone. */
static void whole(bool reduced)
{
	const struct mip_super super = { .count = 5, .size = 1440, .headers = 52 };
	struct mip_ipv4 inner = { .header = 20, .total = 7000, .protocol = MIP_PROTO_TCP };
	uint8_t room[10 + 40];
	struct virtio_net_hdr out;

	memset(room, 0xff, sizeof(room));
	room[10 + 20 + 13] = reduced ? 0x90 : 0x10;
	mip_offload_whole((uint8_t *)&out, room + 10, &inner, &super, 34);
	CHECK(out.flags == VIRTIO_NET_HDR_F_NEEDS_CSUM && out.gso_size == 1440);
	CHECK(out.gso_type == (VIRTIO_NET_HDR_GSO_TCPV4 | (reduced ? VIRTIO_NET_HDR_GSO_ECN : 0)));
	CHECK(out.hdr_len == 52 + 34 && out.csum_start == 20 + 34 && out.csum_offset == 16);
}

int main(void)
{
	struct virtio_net_hdr h;

	whole(false);
	whole(true);
	_Static_assert(sizeof(struct virtio_net_hdr) == MIP_OFFLOAD_HEADER, "the kernel's own header");
	make(MIP_PROTO_TCP, 1000, 0, false);
	h = describe(1480, false, false);
	CHECK(h.csum_start == 0 && h.csum_offset == 0 && h.gso_size == 0);
	make(MIP_PROTO_TCP, 1000, 0, true);
	h = describe(1480, true, false);
	CHECK(h.csum_start == 20 && h.csum_offset == 16);
	make(MIP_PROTO_UDP, 1000, 0, true);
	h = describe(1480, true, false);
	CHECK(h.csum_start == 20 && h.csum_offset == 6);
	make(MIP_PROTO_TCP, 8000, 0, true);
	h = describe(1480, true, true);
	CHECK(h.hdr_len == 52 && h.gso_size == 1480 - 52);
	make(MIP_PROTO_TCP, 8000, 0, false);
	describe(1480, false, false);
	/* Not to be touched: a fragment, another protocol, a header cut short or of impossible size. */
	make(MIP_PROTO_TCP, 1000, MIP_IPV4_MF, true);
	describe(1480, false, false);
	make(MIP_PROTO_ICMP, 1000, 0, true);
	describe(1480, false, false);
	make(MIP_PROTO_TCP, 19, 0, true);
	describe(1480, false, false);
	make(MIP_PROTO_TCP, 8000, 0, true);
	packet[32] = 0x10;
	describe(1480, true, false);
	for (uint32_t payload = 20; payload < 1500; payload += 37) {
		finish(MIP_PROTO_UDP, payload);
		finish(MIP_PROTO_TCP, payload);
	}
	return 0;
}
