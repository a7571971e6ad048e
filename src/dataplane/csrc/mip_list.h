/* mip_list.h - the indices of some tunnels, without order: added and removed in one step each. */
#ifndef MIP_LIST_H
#define MIP_LIST_H

#include "mip.h"

struct mip_list {
	uint32_t *items; /* capacity entries, given by the caller */
	uint32_t *place; /* likewise, zeroed: 1 + where an index is in items, 0 if it is not */
	uint32_t count;
};

/* Nothing happens if it is there, or is not. */
void mip_list_add(struct mip_list *l, uint32_t index);
void mip_list_remove(struct mip_list *l, uint32_t index);

#endif
