/* The XDP program, run by an interpreter of the few instructions it has: what it takes, and what passes. */
#include <stddef.h>

#include "check.h"
#include "mip_redirect.h"
#include "mip_tunnel.h"
#include "mip_xsk.h"

enum { KEYS_FD = 11, SOCKETS_FD = 12, QUEUE = 3, FOUND = 0x7777, STACK = 512, REDIRECTED = XDP_REDIRECT };

static uint8_t frame[2 * MIP_XSK_FRAME], stack[STACK];
static uint32_t linear; /* bytes of the frame in its first buffer */
static struct mip_redirect_key known, asked;
static bool looked;

static struct bpf_insn code[MIP_REDIRECT_MAX];
static uint32_t count;

/* Addresses are those of this process; of the context, offsets in struct xdp_md. */
static uint64_t load(uint64_t base, int offset, int size, bool context)
{
	const uint8_t *at = (const uint8_t *)(uintptr_t)(base + (uint64_t)(int64_t)offset);
	uint64_t value = 0;

	if (context)
		switch (offset) {
		case offsetof(struct xdp_md, data):
			return (uintptr_t)frame;
		case offsetof(struct xdp_md, data_end):
			return (uintptr_t)(frame + linear);
		default:
			CHECK(offset == offsetof(struct xdp_md, rx_queue_index));
			return QUEUE;
		}
	CHECK(at >= frame && at + size <= frame + linear);
	memcpy(&value, at, (size_t)size);
	return value;
}

static uint64_t call(int function, const uint64_t r[11])
{
	if (function == BPF_FUNC_map_lookup_elem) {
		CHECK(r[1] == KEYS_FD);
		memcpy(&asked, (const void *)(uintptr_t)r[2], sizeof(asked));
		looked = true;
		return memcmp(&asked, &known, sizeof(asked)) ? 0 : FOUND;
	}
	CHECK(function == BPF_FUNC_redirect_map && r[1] == SOCKETS_FD && r[2] == QUEUE && r[3] == XDP_PASS);
	return REDIRECTED;
}

static uint64_t number_of(const struct bpf_insn *i, const uint64_t r[11])
{
	return BPF_SRC(i->code) == BPF_X ? r[i->src_reg] : (uint64_t)(int64_t)i->imm;
}

static void arithmetic(const struct bpf_insn *i, uint64_t r[11])
{
	uint64_t with = number_of(i, r), *to = &r[i->dst_reg];

	switch (BPF_OP(i->code)) {
	case BPF_MOV:
		*to = with;
		break;
	case BPF_ADD:
		*to += with;
		break;
	case BPF_SUB:
		*to -= with;
		break;
	case BPF_AND:
		*to &= with;
		break;
	default: {
		const uint16_t word = (uint16_t)*to;
		uint8_t bytes[2];

		CHECK(BPF_OP(i->code) == BPF_END && i->imm == 16);
		memcpy(bytes, &word, 2);
		*to = (uint64_t)(bytes[0] << 8 | bytes[1]);
	}
	}
}

static bool holds(const struct bpf_insn *i, const uint64_t r[11])
{
	uint64_t with = number_of(i, r), left = r[i->dst_reg];

	switch (BPF_OP(i->code)) {
	case BPF_JEQ:
		return left == with;
	case BPF_JNE:
		return left != with;
	default:
		CHECK(BPF_OP(i->code) == BPF_JGT);
		return left > with;
	}
}

static uint64_t run(void)
{
	uint64_t r[11] = { 0 };

	r[10] = (uintptr_t)(stack + STACK);
	looked = false;
	for (uint32_t pc = 0; pc < count; pc++) {
		const struct bpf_insn *i = &code[pc];
		const int size = BPF_SIZE(i->code) == BPF_W ? 4 : BPF_SIZE(i->code) == BPF_H ? 2 : 1;

		switch (BPF_CLASS(i->code)) {
		case BPF_LDX:
			r[i->dst_reg] = load(r[i->src_reg], i->off, size, r[i->src_reg] == 0);
			break;
		case BPF_STX:
			CHECK(i->dst_reg == 10 && i->off >= -STACK && size == 4);
			memcpy(stack + STACK + i->off, &r[i->src_reg], 4);
			break;
		case BPF_LD:
			CHECK(i->src_reg == BPF_PSEUDO_MAP_FD);
			r[i->dst_reg] = (uint64_t)i->imm;
			pc++;
			break;
		case BPF_ALU:
		case BPF_ALU64:
			arithmetic(i, r);
			break;
		case BPF_JMP:
			if (BPF_OP(i->code) == BPF_EXIT)
				return r[0];
			if (BPF_OP(i->code) == BPF_CALL)
				r[0] = call(i->imm, r);
			else if (holds(i, r))
				pc = (uint32_t)((int32_t)pc + i->off);
			break;
		default:
			CHECK(!"an instruction of the program");
		}
	}
	CHECK(!"the program ends");
	return 0;
}

/* A datagram of our tunnel, of so many bytes. */
static void ours(uint32_t total)
{
	const struct check_packet c = { .src_be = known.source_be,
					.dst_be = known.destination_be,
					.ttl = 64,
					.protocol = MIP_ENCAP_IPIP,
					.payload = total - 20 };

	memset(frame, 0, sizeof(frame));
	frame[12] = 8;
	linear = MIP_XSK_ETHERNET + check_build(frame + MIP_XSK_ETHERNET, &c);
	known.protocol = MIP_ENCAP_IPIP;
	CHECK(run() == REDIRECTED && looked);
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

	known.source_be = check_address(192, 0, 2, 2);
	known.destination_be = check_address(192, 0, 2, 1);
	count = mip_redirect_program(code, KEYS_FD, SOCKETS_FD);
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
		CHECK(looked == mip_encap_is_known((uint8_t)protocol));
	}
	for (size_t i = 0; i < sizeof(kinds); i++) {
		known.protocol = frame[23] = kinds[i];
		CHECK(run() == REDIRECTED);
	}
	/* Padded or cut short, the receiver sees; longer than a frame is not for us. */
	ours(20);
	linear = 60;
	CHECK(run() == REDIRECTED);
	ours(MIP_XSK_LONGEST - MIP_XSK_ETHERNET);
	linear++;
	CHECK(run() == XDP_PASS);
	for (linear = 0; linear < 34; linear++)
		CHECK(run() == XDP_PASS && !looked);
	return 0;
}
