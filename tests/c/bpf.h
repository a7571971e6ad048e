/*
 * bpf.h - an interpreter of the few instructions that our XDP program has, with the maps it asks.
 *
 * For a test and for a fuzzer: aborts at an instruction it does not know and at a load outside the frame.
 */
#ifndef BPF_H
#define BPF_H

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "mip_redirect.h"

enum { BPF_KEYS_FD = 11, BPF_SOCKETS_FD = 12, BPF_STACK = 512, BPF_FOUND = 0x7777 };

/* What a program sees, and what it asked. */
struct bpf_world {
	const uint8_t *frame;
	uint32_t linear; /* bytes of the frame in its first buffer */
	uint32_t queue;
	struct mip_redirect_key known, asked; /* the one key of the map; what was looked up */
	bool looked;
	uint8_t stack[BPF_STACK];
};

/* Addresses are those of this process; of the context, offsets in struct xdp_md. */
static inline uint64_t bpf_load(const struct bpf_world *w, uint64_t base, int offset, int size, bool context)
{
	const uint8_t *at = (const uint8_t *)(uintptr_t)(base + (uint64_t)(int64_t)offset);
	uint64_t value = 0;

	if (context)
		switch (offset) {
		case offsetof(struct xdp_md, data):
			return (uintptr_t)w->frame;
		case offsetof(struct xdp_md, data_end):
			return (uintptr_t)(w->frame + w->linear);
		default:
			assert(offset == offsetof(struct xdp_md, rx_queue_index));
			return w->queue;
		}
	assert(at >= w->frame && at + size <= w->frame + w->linear);
	memcpy(&value, at, (size_t)size);
	return value;
}

static inline uint64_t bpf_call(struct bpf_world *w, int function, const uint64_t r[11])
{
	if (function == BPF_FUNC_map_lookup_elem) {
		assert(r[1] == BPF_KEYS_FD);
		memcpy(&w->asked, (const void *)(uintptr_t)r[2], sizeof(w->asked));
		w->looked = true;
		return memcmp(&w->asked, &w->known, sizeof(w->asked)) ? 0 : BPF_FOUND;
	}
	assert(function == BPF_FUNC_redirect_map && r[1] == BPF_SOCKETS_FD && r[2] == w->queue &&
	       r[3] == XDP_PASS);
	return XDP_REDIRECT;
}

static inline uint64_t bpf_number(const struct bpf_insn *i, const uint64_t r[11])
{
	return BPF_SRC(i->code) == BPF_X ? r[i->src_reg] : (uint64_t)(int64_t)i->imm;
}

static inline void bpf_arithmetic(const struct bpf_insn *i, uint64_t r[11])
{
	uint64_t with = bpf_number(i, r), *to = &r[i->dst_reg];

	switch (BPF_OP(i->code)) {
	case BPF_MOV:
		*to = with;
		break;
	case BPF_ADD:
		*to += with;
		break;
	default:
		assert(BPF_OP(i->code) == BPF_AND);
		*to &= with;
	}
}

static inline bool bpf_holds(const struct bpf_insn *i, const uint64_t r[11])
{
	uint64_t with = bpf_number(i, r), left = r[i->dst_reg];

	switch (BPF_OP(i->code)) {
	case BPF_JEQ:
		return left == with;
	case BPF_JNE:
		return left != with;
	default:
		assert(BPF_OP(i->code) == BPF_JGT);
		return left > with;
	}
}

/* The program's verdict, an enum xdp_action. */
static inline uint64_t bpf_run(struct bpf_world *w, const struct bpf_insn *code, uint32_t count)
{
	uint64_t r[11] = { 0 };

	r[10] = (uintptr_t)(w->stack + BPF_STACK);
	w->looked = false;
	for (uint32_t pc = 0; pc < count; pc++) {
		const struct bpf_insn *i = &code[pc];
		const int size = BPF_SIZE(i->code) == BPF_W ? 4 : BPF_SIZE(i->code) == BPF_H ? 2 : 1;

		switch (BPF_CLASS(i->code)) {
		case BPF_LDX:
			r[i->dst_reg] = bpf_load(w, r[i->src_reg], i->off, size, r[i->src_reg] == 0);
			break;
		case BPF_STX:
			assert(i->dst_reg == 10 && i->off < 0 && i->off >= -BPF_STACK && size == 4);
			memcpy(w->stack + BPF_STACK + i->off, &r[i->src_reg], 4);
			break;
		case BPF_LD:
			assert(i->src_reg == BPF_PSEUDO_MAP_FD);
			r[i->dst_reg] = (uint64_t)i->imm;
			pc++;
			break;
		case BPF_ALU64:
			bpf_arithmetic(i, r);
			break;
		default:
			assert(BPF_CLASS(i->code) == BPF_JMP);
			if (BPF_OP(i->code) == BPF_EXIT)
				return r[0];
			if (BPF_OP(i->code) == BPF_CALL)
				r[0] = bpf_call(w, i->imm, r);
			else if (bpf_holds(i, r))
				pc = (uint32_t)((int32_t)pc + i->off);
		}
	}
	abort(); /* it ends by an EXIT */
}

#endif
