#include "mip_ecn.h"

enum { UNUSED = 4, DROP = 8 }; /* beside a codepoint */

uint8_t mip_ecn_ingress(uint8_t inner_tos, bool compatible)
{
	return compatible ? (uint8_t)(inner_tos & ~MIP_ECN_MASK) : inner_tos;
}

/* Rows are inner, columns outer, both in the order of the codepoints. */
static const uint8_t egress[4][4] = {
	/* outer: Not-ECT, ECT(1), ECT(0), CE */
	[MIP_NOT_ECT] = { MIP_NOT_ECT, MIP_NOT_ECT | UNUSED, MIP_NOT_ECT | UNUSED,
			  MIP_NOT_ECT | UNUSED | DROP },
	[MIP_ECT_1] = { MIP_ECT_1, MIP_ECT_1, MIP_ECT_1 | UNUSED, MIP_CE },
	[MIP_ECT_0] = { MIP_ECT_0, MIP_ECT_1, MIP_ECT_0, MIP_CE },
	[MIP_CE] = { MIP_CE, MIP_CE | UNUSED, MIP_CE, MIP_CE },
};

struct mip_ecn mip_ecn_egress(uint8_t inner_tos, uint8_t outer_tos)
{
	uint8_t entry = egress[inner_tos & MIP_ECN_MASK][outer_tos & MIP_ECN_MASK];

	return (struct mip_ecn){ entry & MIP_ECN_MASK, (entry & DROP) != 0, (entry & UNUSED) != 0 };
}
