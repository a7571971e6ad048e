#include "mip_members.h"

static uint32_t *head(const struct mip_members *m, uint32_t group_be, uint32_t home_be)
{
	uint64_t hash = ((uint64_t)group_be << 32 | home_be) * 0x9e3779b97f4a7c15u;

	return &m->heads[hash >> 32 & (m->capacity - 1)];
}

static uint32_t find(const struct mip_members *m, uint32_t group_be, uint32_t home_be)
{
	uint32_t i = *head(m, group_be, home_be);

	while (i && (m->entries[i].group_be != group_be || m->entries[i].home_be != home_be))
		i = m->entries[i].chain;
	return i;
}

size_t mip_members_bytes(uint32_t capacity)
{
	return (capacity + 1) * sizeof(struct mip_member) + capacity * sizeof(uint32_t);
}

void mip_members_init(struct mip_members *m, void *zeroed, uint32_t capacity)
{
	*m = (struct mip_members){ .entries = zeroed, .capacity = capacity };
	m->heads = zeroed ? (uint32_t *)(m->entries + capacity + 1) : NULL;
}

/* How many more there is room for. */
static uint32_t room(const struct mip_members *m)
{
	if (m->fresh < m->capacity)
		return m->capacity - m->fresh + (m->freed ? 1 : 0);
	return m->freed ? 1 + (m->entries[m->freed].chain ? 1 : 0) : 0;
}

/* There is room. */
static uint32_t add(struct mip_members *m, uint32_t group_be, uint32_t home_be)
{
	uint32_t *first = head(m, group_be, home_be), i = m->freed;

	if (i)
		m->freed = m->entries[i].chain;
	else
		i = ++m->fresh;
	m->entries[i] = (struct mip_member){ group_be, home_be, *first, i, i };
	*first = i;
	return i;
}

static void take_out(struct mip_members *m, uint32_t i)
{
	struct mip_member *e = &m->entries[i];
	uint32_t *link = head(m, e->group_be, e->home_be);

	while (*link != i)
		link = &m->entries[*link].chain;
	*link = e->chain;
	m->entries[e->last].next = e->next;
	m->entries[e->next].last = e->last;
	if (m->place == i)
		m->place = e->next == i ? 0 : e->next;
	*e = (struct mip_member){ .chain = m->freed };
	m->freed = i;
}

/* Puts a ring of one in front of another entry of its group. */
static void insert_before(struct mip_members *m, uint32_t i, uint32_t other)
{
	uint32_t last = m->entries[other].last;

	m->entries[i].next = other;
	m->entries[i].last = last;
	m->entries[last].next = i;
	m->entries[other].last = i;
}

bool mip_members_join(struct mip_members *m, uint32_t group_be, uint32_t home_be)
{
	uint32_t ring = find(m, group_be, 0);

	if (find(m, group_be, home_be))
		return true;
	if (room(m) < (ring ? 1 : 2))
		return false;
	if (!ring)
		ring = add(m, group_be, 0);
	insert_before(m, add(m, group_be, home_be), ring);
	return true;
}

bool mip_members_leave(struct mip_members *m, uint32_t group_be, uint32_t home_be)
{
	uint32_t i = find(m, group_be, home_be), ring;

	if (!i)
		return false;
	take_out(m, i);
	ring = find(m, group_be, 0);
	if (m->entries[ring].next == ring)
		take_out(m, ring);
	return true;
}

bool mip_members_begin(struct mip_members *m, uint32_t group_be)
{
	uint32_t ring = find(m, group_be, 0);

	m->place = ring ? m->entries[ring].next : 0;
	return ring != 0;
}

uint32_t mip_members_next(struct mip_members *m)
{
	const struct mip_member *e = &m->entries[m->place];

	if (!m->place || !e->home_be)
		return 0;
	m->place = e->next;
	return e->home_be;
}

void mip_members_turn(struct mip_members *m, uint32_t group_be, uint32_t home_be)
{
	uint32_t ring = find(m, group_be, 0), i = find(m, group_be, home_be);

	if (!i || m->entries[i].last == ring)
		return;
	m->entries[m->entries[ring].last].next = m->entries[ring].next;
	m->entries[m->entries[ring].next].last = m->entries[ring].last;
	insert_before(m, ring, i);
}
