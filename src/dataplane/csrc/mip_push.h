/* mip_push.h - the encapsulations one by one, for the dispatch in mip_encap.c. */
#ifndef MIP_PUSH_H
#define MIP_PUSH_H

#include "mip_encap.h"

/* Each adds its header; there is room for it and the result is short enough. */
void mip_ipip_push(struct mip_packet *p, const struct mip_ipv4 *inner, const struct mip_tunnel *t,
		   uint16_t id);
void mip_gre_push(struct mip_packet *p, const struct mip_ipv4 *inner, const struct mip_tunnel *t,
		  uint16_t id);
void mip_minimal_push(struct mip_packet *p, const struct mip_ipv4 *inner, const struct mip_tunnel *t);

/* Bytes of a GRE header with these flags of a tunnel. */
uint32_t mip_gre_size(uint16_t flags);

/* Reads and checks a GRE header of len bytes with what follows; *size is the header's. */
enum mip_drop mip_gre_parse(const uint8_t *gre, uint32_t len, struct mip_decap *out, uint32_t *size);

/* Restores the packet; out->outer is parsed already. */
enum mip_drop mip_minimal_pop(struct mip_packet *p, struct mip_decap *out);

/* The destination inside a datagram of any encapsulation; false if there is none to be seen. */
bool mip_gre_destination(const uint8_t *gre, uint32_t len, uint32_t *destination_be);

#endif
