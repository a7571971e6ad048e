/* Coalescing: what is merged and what is not, rule by rule; and that nothing is lost, changed or reordered. */
#include "check.h"
#include "recut.h"

enum { PSH = 8, ACK = 16, URG = 32, ECE = 64, CWR = 128, SIZE = 1000 };

static struct recut batch;
static struct mip_coalescer coalescer = { .udp = true };

/* What a test varies of a packet of the stream; the rest follows from its place in it. */
struct segment {
	uint8_t protocol, flags, tos, ttl, options, ip_options; /* options: words */
	uint16_t id, frag, window, port, size;
	uint32_t sequence, ack, dst_be, tunnel;
	bool corrupt, no_checksum, short_udp;
};

static void store(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static void store32(uint8_t *p, uint32_t value)
{
	store(p, value >> 16);
	store(p + 2, value & 0xffff);
}

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

static void add(const struct segment *s)
{
	static const uint8_t ip_options[40] = { 1, 1, 1, 1 };
	uint8_t *packet = recut_packet(&batch, batch.count), *transport;
	bool tcp = s->protocol == MIP_PROTO_TCP;
	uint32_t header = 20u + 4u * s->ip_options, own = tcp ? 20u + 4u * s->options : 8;
	struct check_packet c = {
		.src_be = check_address(203, 0, 113, 9),
		.dst_be = s->dst_be,
		.id = s->id,
		.frag = s->frag,
		.tos = s->tos,
		.ttl = s->ttl,
		.protocol = s->protocol,
		.options = ip_options,
		.option_len = (uint8_t)(4 * s->ip_options),
		.payload = own + s->size,
	};
	uint16_t check;

	batch.len[batch.count] = check_build(packet, &c);
	batch.tunnel[batch.count] = s->tunnel;
	transport = packet + header;
	for (uint32_t i = own; i < c.payload; i++)
		transport[i] = (uint8_t)check_random();
	memset(transport, 0, own);
	store(transport, 443);
	store(transport + 2, s->port);
	if (tcp) {
		store32(transport + 4, s->sequence);
		store32(transport + 8, s->ack);
		transport[12] = (uint8_t)(own / 4 << 4);
		transport[13] = s->flags;
		store(transport + 14, s->window);
		if (s->options)
			memset(transport + 20, 1, 4u * s->options);
	} else {
		store(transport + 4, c.payload - s->short_udp);
	}
	check = transport_check(packet, header, header + c.payload);
	if (!s->no_checksum)
		store(transport + (tcp ? 16 : 6), !tcp && check == 0 ? 0xffff : check);
	if (s->corrupt)
		packet[header + c.payload - 1] ^= 1;
	batch.count++;
}

static struct segment plain(uint8_t protocol)
{
	return (struct segment){ .protocol = protocol,
				 .flags = ACK,
				 .ttl = 9,
				 .id = 0xfffe,
				 .window = 500,
				 .port = 4000,
				 .size = SIZE,
				 .sequence = UINT32_MAX - SIZE,
				 .ack = 77,
				 .options = 3,
				 .dst_be = check_address(198, 51, 100, 7) };
}

static void next(struct segment *s)
{
	s->sequence += s->size;
	s->id++;
}

static void run(uint32_t supers, uint32_t merged)
{
	recut(&batch, &coalescer);
	CHECK(batch.supers == supers && batch.merged == merged);
	batch.count = 0;
}

/* Two of a stream, the second changed in one way, and one more that follows the second: merged or not. */
#define SECOND(proto, change, supers, merged)    \
	do {                                     \
		struct segment s = plain(proto); \
                                                 \
		add(&s);                         \
		next(&s);                        \
		change;                          \
		add(&s);                         \
		run(supers, merged);             \
	} while (0)

static void rules(void)
{
	SECOND(MIP_PROTO_TCP, , 1, 2);
	SECOND(MIP_PROTO_UDP, , 1, 2);
	SECOND(MIP_PROTO_TCP, s.flags |= PSH, 1, 2);
	SECOND(MIP_PROTO_TCP, s.size--, 1, 2);
	SECOND(MIP_PROTO_UDP, s.size = 1, 1, 2);
	SECOND(MIP_PROTO_TCP, s.size++, 0, 0);
	SECOND(MIP_PROTO_UDP, s.size++, 0, 0);
	SECOND(MIP_PROTO_TCP, s.size = 0, 0, 0);
	SECOND(MIP_PROTO_UDP, s.size = 0, 0, 0);
	SECOND(MIP_PROTO_TCP, s.flags |= CWR, 0, 0);
	SECOND(MIP_PROTO_TCP, s.flags |= ECE, 0, 0);
	SECOND(MIP_PROTO_TCP, s.flags |= URG, 0, 0);
	SECOND(MIP_PROTO_TCP, s.flags |= 1, 0, 0);
	SECOND(MIP_PROTO_TCP, s.flags = 0, 0, 0);
	SECOND(MIP_PROTO_TCP, s.sequence++, 0, 0);
	SECOND(MIP_PROTO_TCP, s.sequence -= SIZE, 0, 0);
	SECOND(MIP_PROTO_TCP, s.ack++, 0, 0);
	SECOND(MIP_PROTO_TCP, s.window++, 0, 0);
	SECOND(MIP_PROTO_TCP, s.options++, 0, 0);
	SECOND(MIP_PROTO_TCP, s.ip_options++, 0, 0);
	SECOND(MIP_PROTO_UDP, s.ip_options++, 0, 0);
	SECOND(MIP_PROTO_TCP, s.tos = 3, 0, 0);
	SECOND(MIP_PROTO_UDP, s.ttl--, 0, 0);
	SECOND(MIP_PROTO_TCP, s.frag = MIP_IPV4_DF, 0, 0);
	SECOND(MIP_PROTO_UDP, s.frag = MIP_IPV4_MF, 0, 0);
	SECOND(MIP_PROTO_TCP, s.frag = 100, 0, 0);
	SECOND(MIP_PROTO_TCP, s.id++, 0, 0);
	SECOND(MIP_PROTO_UDP, s.id--, 0, 0);
	SECOND(MIP_PROTO_TCP, s.port++, 0, 0);
	SECOND(MIP_PROTO_UDP, s.dst_be++, 0, 0);
	SECOND(MIP_PROTO_TCP, s.tunnel++, 0, 0);
	SECOND(MIP_PROTO_TCP, s.corrupt = true, 0, 0);
	SECOND(MIP_PROTO_UDP, s.corrupt = true, 0, 0);
	SECOND(MIP_PROTO_TCP, s.no_checksum = true, 0, 0);
	SECOND(MIP_PROTO_UDP, s.no_checksum = true, 0, 0);
	SECOND(MIP_PROTO_UDP, s.short_udp = true, 0, 0);
	SECOND(MIP_PROTO_ICMP, , 0, 0);
}

/* All packets of n have this in common. */
#define ALL(proto, change, n, supers, merged)           \
	do {                                            \
		struct segment s = plain(proto);        \
                                                        \
		change;                                 \
		for (int i = 0; i < (n); i++, next(&s)) \
			add(&s);                        \
		run(supers, merged);                    \
	} while (0)

static void streams(void)
{
	ALL(MIP_PROTO_TCP, s.size = 1, 64, 1, 64);
	ALL(MIP_PROTO_UDP, s.size = 1, 64, 1, 64);
	/* As many as 65535 bytes hold: 65 of 1000 and the headers do, of 1008 do not. */
	ALL(MIP_PROTO_TCP, s.size = 1023, 64, 1, 64);
	ALL(MIP_PROTO_TCP, s.size = 1024, 64, 1, 63);
	ALL(MIP_PROTO_TCP, s.size = 1430, 64, 2, 64);
	ALL(MIP_PROTO_TCP, s.size = 32000, 5, 2, 4);
	ALL(MIP_PROTO_TCP, s.size = 5953, 11, 1, 11); /* 65535 bytes */
	ALL(MIP_PROTO_TCP, s.size = 5954, 11, 1, 10);
	/* DF: the Identification does not matter. */
	ALL(MIP_PROTO_UDP, s.frag = MIP_IPV4_DF; s.id = 7, 3, 1, 3);
	ALL(MIP_PROTO_TCP, s.dst_be = check_address(224, 0, 0, 7), 2, 0, 0);
	ALL(MIP_PROTO_UDP, s.dst_be = check_address(255, 255, 255, 255), 2, 0, 0);
	ALL(MIP_PROTO_TCP, s.flags |= PSH, 3, 0, 0);
	ALL(MIP_PROTO_TCP, s.options = 10, 3, 1, 3);
	coalescer.udp = false;
	ALL(MIP_PROTO_UDP, , 3, 0, 0);
	ALL(MIP_PROTO_TCP, , 3, 1, 3);
	coalescer.udp = true;
}

/* Nothing follows a shorter or pushed one; a lone acknowledgment ends what was gathered, and so does a fragment. */
static void ends(void)
{
	for (int how = 0; how < 5; how++) {
		struct segment s = plain(MIP_PROTO_TCP), odd;

		for (int i = 0; i < 2; i++, next(&s))
			add(&s);
		odd = s;
		if (how == 0)
			odd.size--;
		if (how == 1)
			odd.flags |= PSH;
		if (how == 2)
			odd.size = 0;
		if (how == 3)
			odd.frag = 100;
		if (how == 4)
			odd.corrupt = true;
		add(&odd);
		s.sequence += odd.size;
		s.id++;
		for (int i = 0; i < 2; i++, next(&s))
			add(&s);
		run(2, how < 2 ? 5 : 4);
	}
}

/* More streams than places, in turn: one leaves. */
static void crowd(uint32_t flows, uint32_t supers)
{
	struct segment s = plain(MIP_PROTO_TCP);

	s.size = 10;
	for (uint32_t round = 0; round < 2; round++, next(&s))
		for (s.port = 0; s.port < flows; s.port++)
			add(&s);
	run(supers, 2 * supers);
}

static void at_random(void)
{
	static struct segment streams[24];
	uint32_t merged = 0;

	for (uint32_t i = 0; i < 24; i++) {
		streams[i] = plain(i % 2 ? MIP_PROTO_TCP : MIP_PROTO_UDP);
		streams[i].port = (uint16_t)(i / 2);
		streams[i].tunnel = i % 3;
		streams[i].frag = i % 4 < 2 ? MIP_IPV4_DF : 0;
	}
	for (int round = 0; round < 2000; round++) {
		uint32_t many = 1 + check_random() % 24, count = 1 + check_random() % MIP_BATCH;

		while (batch.count < count) {
			struct segment *s = &streams[check_random() % many], once;

			if (check_random() % 8 == 0)
				s->size = (uint16_t)(check_random() % 1400);
			once = *s;
			switch (check_random() % 40) {
			case 0:
				once.flags = (uint8_t)check_random();
				break;
			case 1:
				once.corrupt = true;
				break;
			case 2:
				once.sequence += check_random() % 3;
				break;
			case 3:
				once.frag = (uint16_t)check_random();
				break;
			case 4:
				s->ack++;
				break;
			case 5:
				once.ttl++;
				break;
			case 6:
				once.protocol = (uint8_t)(check_random() % 18);
				break;
			}
			add(&once);
			next(s);
		}
		recut(&batch, &coalescer);
		merged += batch.merged;
		batch.count = 0;
	}
	CHECK(merged > 10000);
}

/* So many of a stream whose checksums cover the pseudo-header only; the packet that comes of them is of `total` bytes. */
static void unfinished(uint32_t packets, uint32_t total, bool allowed)
{
	struct mip_coalescer here = { .mtu = allowed ? 20 + 32 + SIZE : 20 + 32 + SIZE - 1 };
	struct segment s = plain(MIP_PROTO_TCP);
	struct iovec iov[MIP_BATCH];
	struct mip_ipv4 ip[4];
	uint8_t pseudo[12] = { 0 };
	uint16_t sum;

	for (uint32_t i = 0; i < packets; i++, next(&s)) {
		uint8_t *packet = recut_packet(&batch, i);
		struct mip_candidate k;

		add(&s);
		memcpy(pseudo, packet + 12, 8);
		pseudo[9] = MIP_PROTO_TCP;
		store(pseudo + 10, 32 + SIZE);
		sum = (uint16_t)~check_checksum(pseudo, sizeof(pseudo));
		store(packet + 20 + 16, sum);
		CHECK(mip_ipv4_parse(packet, batch.len[i], MIP_INNER, &ip[i]) == MIP_OK);
		k = mip_coalesce_examine(&here, packet, &ip[i], 0);
		CHECK(k.pending == allowed && k.fit == allowed);
		CHECK(!mip_coalesce_before(&here, &k) && mip_coalesce_take(&here, &k) == allowed);
	}
	batch.count = 0;
	if (!allowed)
		return;
	CHECK(mip_coalesce_finish(&here.flows[0], iov) == packets);
	/* VIRTIO_NET_HDR_F_NEEDS_CSUM, and the length that the pseudo-header now has. */
	CHECK(((uint8_t *)iov[0].iov_base)[0] == 1);
	store(pseudo + 10, total - 20);
	sum = (uint16_t)~check_checksum(pseudo, sizeof(pseudo));
	CHECK(recut_packet(&batch, 0)[36] == sum >> 8 && recut_packet(&batch, 0)[37] == (sum & 0xff));
}

int main(void)
{
	check_seed();
	unfinished(1, 20 + 32 + SIZE, true);
	unfinished(3, 20 + 32 + 3 * SIZE, true);
	unfinished(1, 0, false);
	rules();
	streams();
	ends();
	crowd(MIP_FLOWS, MIP_FLOWS);
	crowd(MIP_FLOWS + 1, 0);
	at_random();
	return 0;
}
