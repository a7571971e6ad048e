/* mip_ecn.h - Explicit Congestion Notification over a tunnel (RFC 6040). */
#ifndef MIP_ECN_H
#define MIP_ECN_H

#include "mip.h"

enum { MIP_NOT_ECT = 0, MIP_ECT_1 = 1, MIP_ECT_0 = 2, MIP_CE = 3, MIP_ECN_MASK = 3 };

struct mip_ecn {
	uint8_t ecn; /* of the packet that goes on */
	bool drop;   /* must not go on */
	bool unused; /* a combination no ingress makes: worth counting */
};

/* RFC 6040 4.1 and 4.3: the outer ToS octet for this inner one. */
uint8_t mip_ecn_ingress(uint8_t inner_tos, bool compatible);

/* RFC 6040 4.2 figure 4, for two ToS octets. */
struct mip_ecn mip_ecn_egress(uint8_t inner_tos, uint8_t outer_tos);

#endif
