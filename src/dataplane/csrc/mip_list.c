#include "mip_list.h"

void mip_list_add(struct mip_list *l, uint32_t index)
{
	if (l->place[index])
		return;
	l->items[l->count++] = index;
	l->place[index] = l->count;
}

void mip_list_remove(struct mip_list *l, uint32_t index)
{
	uint32_t place = l->place[index], last;

	if (!place)
		return;
	last = l->items[--l->count];
	l->items[place - 1] = last;
	l->place[last] = place;
	l->place[index] = 0;
}
