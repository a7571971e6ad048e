/* The XDP program, run by an interpreter of the few instructions it has: what it takes, and what passes. */
#include "bpf.h"
#include "check.h"
#include "mip_tunnel.h"
#include "mip_xsk.h"

enum { QUEUE = 3, REDIRECTED = XDP_REDIRECT };

static uint8_t frame[2 * MIP_XSK_FRAME];
static struct bpf_world world = { .frame = frame, .queue = QUEUE };
static struct mip_redirect_key *const known = &world.known;
static struct bpf_insn code[MIP_REDIRECT_MAX];
static uint32_t count;

static uint64_t run(void)
{
	return bpf_run(&world, code, count);
}

/* A datagram of our tunnel, of so many bytes. */
static void ours(uint32_t total)
{
	const struct check_packet c = { .src_be = known->source_be,
					.dst_be = known->destination_be,
					.ttl = 64,
					.protocol = MIP_ENCAP_IPIP,
					.payload = total - 20 };

	memset(frame, 0, sizeof(frame));
	frame[12] = 8;
	world.linear = MIP_XSK_ETHERNET + check_build(frame + MIP_XSK_ETHERNET, &c);
	known->protocol = MIP_ENCAP_IPIP;
	CHECK(run() == REDIRECTED && world.looked);
}

/* With one byte of the frame changed, it passes. */
static void passes_with(uint32_t at, uint8_t value)
{
	const uint8_t before = frame[at];

	frame[at] = value;
	CHECK(run() == XDP_PASS);
	frame[at] = before;
	CHECK(run() == REDIRECTED);
}

int main(void)
{
	static const uint8_t kinds[] = { MIP_ENCAP_IPIP, MIP_ENCAP_GRE, MIP_ENCAP_MINIMAL };

	known->source_be = check_address(192, 0, 2, 2);
	known->destination_be = check_address(192, 0, 2, 1);
	count = mip_redirect_program(code, BPF_KEYS_FD, BPF_SOCKETS_FD);
	CHECK(count > 30 && count <= MIP_REDIRECT_MAX);
	ours(20);
	ours(MIP_XSK_LONGEST - MIP_XSK_ETHERNET);
	ours(1500);
	/* Not IPv4, a tag, options, the three of fragments and none for DF and the reserved bit. */
	passes_with(12, 0x86);
	passes_with(13, 6);
	passes_with(14, 0x46);
	passes_with(14, 0x65);
	passes_with(20, 0x20);
	passes_with(20, 0x01);
	passes_with(21, 0x01);
	frame[20] = 0xc0;
	CHECK(run() == REDIRECTED);
	frame[20] = 0;
	/* Somebody else's: another end, another way, another protocol. */
	for (uint32_t at = 26; at < 34; at++)
		passes_with(at, (uint8_t)(frame[at] + 1));
	for (uint32_t protocol = 0; protocol < 256; protocol++) {
		frame[23] = (uint8_t)protocol;
		CHECK(run() == (protocol == MIP_ENCAP_IPIP ? REDIRECTED : XDP_PASS));
		CHECK(world.looked == mip_encap_is_known((uint8_t)protocol));
	}
	for (size_t i = 0; i < sizeof(kinds); i++) {
		known->protocol = frame[23] = kinds[i];
		CHECK(run() == REDIRECTED);
	}
	/* Padded or cut short, the receiver sees; longer than a frame is not for us. */
	ours(20);
	world.linear = 60;
	CHECK(run() == REDIRECTED);
	ours(MIP_XSK_LONGEST - MIP_XSK_ETHERNET);
	world.linear++;
	CHECK(run() == XDP_PASS);
	for (world.linear = 0; world.linear < 34; world.linear++)
		CHECK(run() == XDP_PASS && !world.looked);
	return 0;
}
