/* mip_insn.h - BPF programs, written down as instructions. */
#ifndef MIP_INSN_H
#define MIP_INSN_H

#include <linux/bpf.h>

#include "mip.h"

enum { R0, R1, R2, R3, R4, R5, R6, R7, FRAME = 10 };

/* The offset of a jump that mip_insn_link() leads to the end of the program. */
enum { TO_PASS = INT16_MAX };

#define INSN(operation, to, from, offset, value)          \
	((struct bpf_insn){ .code = (uint8_t)(operation), \
			    .dst_reg = (to),              \
			    .src_reg = (from),            \
			    .off = (int16_t)(offset),     \
			    .imm = (int32_t)(value) })
#define LOAD(size, to, from, offset) INSN(BPF_LDX | BPF_MEM | (size), to, from, offset, 0)
#define STORE(offset, from) INSN(BPF_STX | BPF_MEM | BPF_W, FRAME, from, offset, 0)
#define MOVE(to, from) INSN(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0)
#define MOVE_NUMBER(to, value) INSN(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value)
#define ADD_NUMBER(to, value) INSN(BPF_ALU64 | BPF_ADD | BPF_K, to, 0, 0, value)
#define JUMP(condition, left, value, offset) INSN(BPF_JMP | BPF_K | (condition), left, 0, offset, value)
#define JUMP_IF_GREATER(left, right, offset) INSN(BPF_JMP | BPF_X | BPF_JGT, left, right, offset, 0)
#define JUMP_ALWAYS(offset) INSN(BPF_JMP | BPF_JA, 0, 0, offset, 0)
#define CALL(function) INSN(BPF_JMP | BPF_CALL, 0, 0, 0, function)
#define EXIT INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
/* Two instructions each. */
#define NUMBER(to, value)                                             \
	INSN(BPF_LD | BPF_DW | BPF_IMM, to, 0, 0, (uint32_t)(value)), \
		INSN(0, 0, 0, 0, (uint32_t)((value) >> 32))
#define MAP(to, fd) INSN(BPF_LD | BPF_DW | BPF_IMM, to, BPF_PSEUDO_MAP_FD, 0, fd), INSN(0, 0, 0, 0, 0)

/* Copies a program, whose jumps TO_PASS go to the instruction `pass`. */
static inline void mip_insn_link(struct bpf_insn *code, const struct bpf_insn *program, uint32_t count,
				 uint32_t pass)
{
	for (uint32_t i = 0; i < count; i++) {
		code[i] = program[i];
		if (code[i].off == TO_PASS)
			code[i].off = (int16_t)(pass - i - 1);
	}
}

#endif
