#include "mip_whole.h"

#include <stddef.h>

#include "mip_insn.h"
#include "mip_ipv4.h"
#include "mip_xsk.h"

/* Values of enum tcx_action_base, which is younger than some headers. */
enum { GO_ON = -1, DROP = 2 };

enum { OUTER = -24 }; /* where it is kept, below the frame pointer */

uint32_t mip_whole_program(struct bpf_insn code[MIP_WHOLE_MAX], uint64_t cookie)
{
	const struct bpf_insn program[] = {
		MOVE(R6, R1),
		LOAD(BPF_W, R2, R6, offsetof(struct __sk_buff, gso_size)),
		JUMP(BPF_JEQ, R2, 0, TO_PASS),
		CALL(BPF_FUNC_get_socket_cookie),
		NUMBER(R1, cookie),
		INSN(BPF_JMP | BPF_X | BPF_JNE, R0, R1, TO_PASS, 0),
		MOVE(R1, R6),
		MOVE_NUMBER(R2, MIP_XSK_ETHERNET),
		MOVE(R3, FRAME),
		ADD_NUMBER(R3, OUTER),
		MOVE_NUMBER(R4, MIP_IPV4_HEADER),
		CALL(BPF_FUNC_skb_load_bytes),
		JUMP(BPF_JNE, R0, 0, 21),
		MOVE(R1, R6),
		MOVE_NUMBER(R2, -MIP_IPV4_HEADER),
		MOVE_NUMBER(R3, BPF_ADJ_ROOM_MAC),
		MOVE_NUMBER(R4, BPF_F_ADJ_ROOM_FIXED_GSO),
		CALL(BPF_FUNC_skb_adjust_room),
		JUMP(BPF_JNE, R0, 0, 15),
		MOVE(R1, R6),
		MOVE_NUMBER(R2, MIP_IPV4_HEADER),
		MOVE_NUMBER(R3, BPF_ADJ_ROOM_MAC),
		MOVE_NUMBER(R4, BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4),
		CALL(BPF_FUNC_skb_adjust_room),
		JUMP(BPF_JNE, R0, 0, 9),
		MOVE(R1, R6),
		MOVE_NUMBER(R2, MIP_XSK_ETHERNET),
		MOVE(R3, FRAME),
		ADD_NUMBER(R3, OUTER),
		MOVE_NUMBER(R4, MIP_IPV4_HEADER),
		MOVE_NUMBER(R5, 0),
		CALL(BPF_FUNC_skb_store_bytes),
		JUMP(BPF_JNE, R0, 0, 1),
		JUMP_ALWAYS(TO_PASS),
		MOVE_NUMBER(R0, DROP),
		EXIT,
		MOVE_NUMBER(R0, GO_ON),
		EXIT,
	};
	const uint32_t count = sizeof(program) / sizeof(program[0]);

	_Static_assert(sizeof(program) / sizeof(program[0]) <= MIP_WHOLE_MAX, "the caller's room");
	mip_insn_link(code, program, count, count - 2);
	return count;
}
