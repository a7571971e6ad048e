/* mip_worker_multicast.c - the broadcast thread's other work: multicasts (RFC 5944 4.4). */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "mip_broadcast.h"
#include "mip_bytes.h"
#include "mip_encap.h"
#include "mip_group.h"
#include "mip_offload.h"

/* The network of a home address, by one of its watches; a group's datagrams stay in it. */
struct scope {
	uint32_t network_be, mask_be;
};

static bool is_in(const struct scope *scope, uint32_t address_be)
{
	return (address_be & scope->mask_be) == scope->network_be;
}

/* Every tunnel of a home address that takes multicasts; how many. */
static uint32_t tunnels_of(const struct mip_broadcast *b, uint32_t home_be, struct mip_tunnel *out)
{
	struct mip_tunnel group[MIP_GROUP_MAX];
	uint32_t count = mip_group_find(b->worker->table, home_be, MIP_HOME, group), taken = 0;

	for (uint32_t i = 0; i < count; i++)
		if (group[i].flags & MIP_F_MULTICAST)
			out[taken++] = group[i];
	return taken;
}

/* Goes on in the group until a batch is found; how many, and false in *more at the end. */
static uint32_t next_members(struct mip_broadcast *b, const struct scope *scope, bool *more,
			     struct mip_tunnel out[MIP_BATCH])
{
	uint32_t found = 0;

	pthread_mutex_lock(b->lock);
	for (uint32_t looked = 0; looked < MIP_WATCH_BATCH && found + MIP_GROUP_MAX <= MIP_BATCH; looked++) {
		uint32_t home_be = mip_members_next(&b->members);

		*more = home_be != 0;
		if (!*more)
			break;
		if (is_in(scope, home_be))
			found += tunnels_of(b, home_be, &out[found]);
	}
	pthread_mutex_unlock(b->lock);
	return found;
}

/* False when the rate limit ends it, and then that one begins the next time. */
static bool copy_to(struct mip_broadcast *b, const struct mip_packet *p, const struct mip_ipv4 *ip,
		    const struct mip_tunnel *tunnels, uint32_t count)
{
	struct mip_worker *w = b->worker;

	for (uint32_t i = 0; i < count; i++) {
		const struct mip_tunnel *t = &tunnels[i];

		if (ip->src_be == t->home_be)
			continue;
		if (!mip_bucket_take(&b->multicast_rate, mip_now_ns())) {
			mip_add(&w->counters[MIP_COUNTER_MULTICAST_LIMITED], 1);
			pthread_mutex_lock(b->lock);
			mip_members_turn(&b->members, ip->dst_be, t->home_be);
			pthread_mutex_unlock(b->lock);
			return false;
		}
		mip_add(&w->counters[MIP_COUNTER_MULTICAST_COPIES], 1);
		/* What is too big is only counted: no ICMP error about a multicast (RFC 1112 7.2). */
		mip_worker_tunnel_copy(w, p, ip, t, t->flags & MIP_F_NESTED);
	}
	return true;
}

/* Sets the reader to the group's start; false if nobody is in it. */
static bool begin(struct mip_broadcast *b, uint32_t group_be)
{
	bool wanted;

	pthread_mutex_lock(b->lock);
	wanted = mip_members_begin(&b->members, group_be);
	pthread_mutex_unlock(b->lock);
	return wanted;
}

/* After begin(). */
static void copy_to_members(struct mip_broadcast *b, const struct mip_packet *p, const struct mip_ipv4 *ip,
			    const struct scope *scope)
{
	struct mip_tunnel tunnels[MIP_BATCH];
	bool more = true;

	while (more && !atomic_load_explicit(b->worker->stopping, memory_order_relaxed)) {
		uint32_t found = next_members(b, scope, &more, tunnels);

		more = copy_to(b, p, ip, tunnels, found) && more;
		mip_worker_flush(b->worker);
	}
}

void mip_multicast_of_link(struct mip_broadcast *b, struct mip_packet *p, const struct mip_watch *watch)
{
	const struct scope scope = { watch->network_be, watch->mask_be };
	struct mip_worker *w = b->worker;
	struct mip_tunnel t;
	struct mip_ipv4 ip;
	enum mip_drop drop = mip_ipv4_parse(p->data, p->len, MIP_INNER, &ip);

	/* A network card may let in what nobody asked for: that is not for us. */
	if (!drop && (ip.protocol == MIP_PROTO_IGMP || !begin(b, ip.dst_be)))
		return;
	if (!drop && mip_table_find(w->table, ip.src_be, MIP_HOME, &t))
		drop = MIP_DROP_MULTICAST_LOOP; /* the node is away: only we can have sent it */
	if (!drop)
		drop = mip_encap_forward(p->data, &ip);
	if (drop) {
		mip_worker_drop(w, drop, NULL, p);
		return;
	}
	mip_add(&w->counters[MIP_COUNTER_MULTICASTS], 1);
	mip_offload_finish(p->data, &ip);
	copy_to_members(b, p, &ip, &scope);
}

/* The watch of a home address's network; false if there is none. */
static bool find_watch(const struct mip_broadcast *b, uint32_t home_be, struct mip_watch *out)
{
	bool found = false;

	pthread_mutex_lock(b->lock);
	for (uint32_t i = 0; i < b->count && !found; i++) {
		found = (home_be & b->watches[i].mask_be) == b->watches[i].network_be;
		if (found)
			*out = b->watches[i];
	}
	pthread_mutex_unlock(b->lock);
	return found;
}

static void send_on_link(struct mip_worker *w, const struct mip_packet *p, const struct mip_ipv4 *ip,
			 const struct mip_watch *watch)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr = { ip->dst_be } };

	if (watch->send_fd < 0)
		return; /* a virtual home network */
	if (sendto(watch->send_fd, p->data, p->len, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to)) >= 0)
		mip_add(&w->counters[MIP_COUNTER_HOME_MULTICASTS], 1);
	else
		mip_worker_drop(w, errno == EMSGSIZE ? MIP_DROP_SEND_TOO_BIG : MIP_DROP_SEND_FAILED, NULL, p);
}

void mip_multicast_of_node(struct mip_broadcast *b, struct mip_packet *p)
{
	struct mip_worker *w = b->worker;
	struct mip_watch watch = { .send_fd = -1 };
	struct mip_ipv4 ip;
	enum mip_drop drop = mip_ipv4_parse(p->data, p->len, MIP_INNER, &ip);

	if (!drop && ip.protocol == MIP_PROTO_IGMP) {
		mip_add(&w->counters[MIP_COUNTER_IGMP_RECEIVED], 1);
		if (send(b->pairs[MIP_CONTROL][1], p->data, p->len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			mip_worker_drop(w, MIP_DROP_MULTICAST_OVERFLOW, NULL, p);
		return;
	}
	if (!drop && mip_is_link_local_group(ip.dst_be))
		drop = MIP_DROP_MULTICAST_SCOPE;
	if (!drop)
		drop = mip_encap_forward(p->data, &ip);
	if (drop) {
		mip_worker_drop(w, drop, NULL, p);
		return;
	}
	mip_offload_finish(p->data, &ip);
	if (!find_watch(b, ip.src_be, &watch))
		return;
	if (begin(b, ip.dst_be)) {
		const struct scope scope = { watch.network_be, watch.mask_be };

		copy_to_members(b, p, &ip, &scope);
	}
	send_on_link(w, p, &ip, &watch);
}

void mip_multicast_query(struct mip_broadcast *b, const struct mip_packet *p)
{
	struct mip_tunnel tunnels[MIP_GROUP_MAX];
	struct mip_packet query = *p;
	struct mip_ipv4 ip;
	uint32_t count;

	if (p->len < MIP_QUERY_HEADER)
		return;
	query.data += MIP_QUERY_HEADER;
	query.len -= MIP_QUERY_HEADER;
	if (mip_ipv4_parse(query.data, query.len, MIP_INNER, &ip))
		return;
	count = tunnels_of(b, mip_load32_be(p->data), tunnels);
	for (uint32_t i = 0; i < count; i++)
		mip_worker_tunnel_copy(b->worker, &query, &ip, &tunnels[i], tunnels[i].flags & MIP_F_NESTED);
	mip_worker_flush(b->worker);
}
