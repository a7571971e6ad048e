#include "mip_redirect.h"

#include <stddef.h>

#include "mip_insn.h"
#include "mip_tunnel.h"
#include "mip_xsk.h"

/* Where things are in an Ethernet frame with IPv4. */
enum {
	TYPE = 12,
	IP = MIP_XSK_ETHERNET,
	FRAGMENT = IP + 6,
	PROTOCOL = IP + 9,
	SOURCE = IP + 12,
	DESTINATION = IP + 16,
	HEADERS = IP + 20,
};

enum { VERSION_AND_LENGTH = 0x45, KEY = -(int)sizeof(struct mip_redirect_key) };

/* As a load of two bytes sees it. */
static int32_t in_packet(uint16_t value)
{
	const union {
		uint8_t bytes[2];
		uint16_t word;
	} order = { { (uint8_t)(value >> 8), (uint8_t)value } };

	return order.word;
}

uint32_t mip_redirect_program(struct bpf_insn code[MIP_REDIRECT_MAX], int keys_fd, int sockets_fd)
{
	const struct bpf_insn program[] = {
		MOVE(R6, R1),
		LOAD(BPF_W, R2, R6, offsetof(struct xdp_md, data)),
		LOAD(BPF_W, R3, R6, offsetof(struct xdp_md, data_end)),
		MOVE(R4, R2),
		ADD_NUMBER(R4, HEADERS),
		JUMP_IF_GREATER(R4, R3, TO_PASS),
		LOAD(BPF_H, R5, R2, TYPE),
		JUMP(BPF_JNE, R5, in_packet(0x0800), TO_PASS),
		LOAD(BPF_B, R5, R2, IP),
		JUMP(BPF_JNE, R5, VERSION_AND_LENGTH, TO_PASS),
		LOAD(BPF_H, R5, R2, FRAGMENT),
		INSN(BPF_ALU64 | BPF_AND | BPF_K, R5, 0, 0, in_packet(0x3fff)),
		JUMP(BPF_JNE, R5, 0, TO_PASS),
		LOAD(BPF_B, R5, R2, PROTOCOL),
		JUMP(BPF_JEQ, R5, MIP_ENCAP_IPIP, 2),
		JUMP(BPF_JEQ, R5, MIP_ENCAP_GRE, 1),
		JUMP(BPF_JNE, R5, MIP_ENCAP_MINIMAL, TO_PASS),
		STORE(KEY + (int)offsetof(struct mip_redirect_key, protocol), R5),
		/* It fits into a frame.  Whether the datagram is as long as it says, the receiver looks: here
		 * that would need CAP_PERFMON. */
		MOVE(R4, R2),
		ADD_NUMBER(R4, MIP_XSK_LONGEST),
		JUMP_IF_GREATER(R3, R4, TO_PASS),
		LOAD(BPF_W, R4, R2, SOURCE),
		STORE(KEY + (int)offsetof(struct mip_redirect_key, source_be), R4),
		LOAD(BPF_W, R4, R2, DESTINATION),
		STORE(KEY + (int)offsetof(struct mip_redirect_key, destination_be), R4),
		MAP(R1, keys_fd),
		MOVE(R2, FRAME),
		ADD_NUMBER(R2, KEY),
		CALL(BPF_FUNC_map_lookup_elem),
		JUMP(BPF_JEQ, R0, 0, TO_PASS),
		MAP(R1, sockets_fd),
		LOAD(BPF_W, R2, R6, offsetof(struct xdp_md, rx_queue_index)),
		MOVE_NUMBER(R3, XDP_PASS),
		CALL(BPF_FUNC_redirect_map),
		EXIT,
		MOVE_NUMBER(R0, XDP_PASS),
		EXIT,
	};
	const uint32_t count = sizeof(program) / sizeof(program[0]), pass = count - 2;

	_Static_assert(sizeof(program) / sizeof(program[0]) <= MIP_REDIRECT_MAX, "the caller's room");
	mip_insn_link(code, program, count, pass);
	return count;
}
