/* mip_worker_link.c - visitors that share a home address: off their link, and onto it. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/epoll.h>

#include "mip_bytes.h"
#include "mip_frag.h"
#include "mip_group.h"
#include "mip_icmp.h"
#include "mip_links.h"
#include "mip_offload.h"
#include "mip_path.h"

/* In an offload header: lengths that count from the frame's begin here, from the packet's elsewhere. */
enum { HEADER_LEN = 2, CSUM_START = 6 };

/* In front of a packet: offload header and frame header. */
enum { FRONT = MIP_OFFLOAD_HEADER + ETH_HLEN };

static void shift(uint8_t *offload, size_t at, int by)
{
	uint16_t value;

	memcpy(&value, offload + at, sizeof(value));
	if (value)
		value = (uint16_t)(value + by);
	memcpy(offload + at, &value, sizeof(value));
}

/* One packet of len bytes at start + FRONT, with its offload header at start, to a visitor; an errno or 0. */
static int put_on_link(struct mip_worker *w, uint8_t *start, size_t len, const struct mip_spot *spot)
{
	const struct sockaddr_ll to = { .sll_family = AF_PACKET,
					.sll_protocol = htons(ETH_P_IP),
					.sll_ifindex = (int)spot->ifindex };
	struct ethhdr *frame = (struct ethhdr *)(start + MIP_OFFLOAD_HEADER);

	memcpy(frame->h_dest, spot->address, MIP_LINK_ADDRESS);
	memcpy(frame->h_source, spot->own, MIP_LINK_ADDRESS);
	frame->h_proto = htons(ETH_P_IP);
	return sendto(w->link_fd, start, FRONT + len, 0, (const struct sockaddr *)&to, sizeof(to)) < 0 ? errno
												       : 0;
}

/* Longer than the link's MTU.  The sender is beyond the tunnel, in an address space that is not ours: it is not told. */
static enum mip_drop deliver_fragments(struct mip_worker *w, const struct mip_packet *p,
				       const struct mip_spot *spot)
{
	uint8_t *start = mip_room(w, MIP_BATCH) - FRONT;
	struct mip_frag frag;
	size_t len;

	if (mip_load16(p->data + 6) & MIP_IPV4_DF)
		return MIP_DROP_TOO_BIG;
	/* The room is that of the send queue's first place. */
	mip_worker_flush(w);
	if (!mip_frag_begin(&frag, p->data, p->len, mip_link_mtu(w->link_fd, spot->ifindex)))
		return MIP_DROP_NEEDS_FRAGMENTATION;
	memset(start, 0, MIP_OFFLOAD_HEADER);
	mip_add(&w->counters[MIP_COUNTER_FRAGMENTED_PACKETS], 1);
	while ((len = mip_frag_next(&frag, start + FRONT, MIP_PACKET_MAX)) > 0) {
		int error = put_on_link(w, start, len, spot);

		if (error)
			return mip_worker_refusal(error);
		mip_add(&w->counters[MIP_COUNTER_FRAGMENTS], 1);
	}
	return MIP_OK;
}

/*
 * As put_on_link(), of a packet that a network card may have merged: what is said of it
 * in front has the link cut it into packets of at most mtu bytes.
 */
static int put_described(struct mip_worker *w, const struct mip_packet *p, const struct mip_ipv4 *ip,
			 const struct mip_spot *spot, uint32_t mtu, struct mip_offload *offload)
{
	uint8_t *start = p->data - FRONT;

	*offload = mip_offload_describe(start, p->data, ip, mtu);
	shift(start, HEADER_LEN, ETH_HLEN);
	shift(start, CSUM_START, ETH_HLEN);
	return put_on_link(w, start, p->len, spot);
}

void mip_worker_link_deliver(struct mip_worker *w, struct mip_packet *p, const struct mip_decap *d,
			     const struct mip_tunnel *t)
{
	struct mip_spot spot = mip_place_read(&w->places[t->index]);
	struct mip_ipv4 ip = d->inner;
	struct mip_offload offload = { false, false };
	enum mip_drop drop = mip_encap_forward(p->data, &ip);
	int error = 0;

	if (!drop) {
		error = ip.total > t->mtu ? EMSGSIZE : put_described(w, p, &ip, &spot, t->mtu, &offload);
		if (error == EMSGSIZE) {
			/* Merged by a card, or the link carries less than the tunnel. */
			uint32_t link = mip_link_mtu(w->link_fd, spot.ifindex);

			error = put_described(w, p, &ip, &spot, link < t->mtu ? link : t->mtu, &offload);
		}
		if (error == EMSGSIZE) {
			mip_offload_finish(p->data, &ip);
			drop = deliver_fragments(w, p, &spot);
		} else if (error) {
			drop = mip_worker_refusal(error);
		}
	}
	if (drop) {
		mip_worker_drop(w, drop, t, p);
		return;
	}
	mip_add(&w->counters[MIP_COUNTER_DECAPSULATED_PACKETS], 1);
	mip_add(&w->counters[MIP_COUNTER_DECAPSULATED_BYTES], p->len);
	mip_add(&w->counters[MIP_COUNTER_LINK_SENT_PACKETS], 1);
	mip_add(&w->traffic[t->index].packets, 1);
	mip_add(&w->traffic[t->index].bytes, p->len);
	mip_add(&w->counters[MIP_COUNTER_ECN_UNUSED], d->ecn_unused);
	mip_add(&w->counters[MIP_COUNTER_CHECKSUM_PENDING], offload.checksum_pending);
	mip_add(&w->counters[MIP_COUNTER_MERGED_RECEIVED], offload.merged);
}

/* Whose a packet is: the home address and the link-layer source together say it (RFC 3024 A.3). */
static bool find_visitor(const struct mip_worker *w, uint32_t home_be, const struct sockaddr_ll *from,
			 struct mip_tunnel *t)
{
	struct mip_tunnel group[MIP_GROUP_MAX];
	uint32_t count = mip_group_find(w->table, home_be, MIP_CARE_OF, group);

	for (uint32_t i = 0; i < count; i++) {
		if (!(group[i].flags & MIP_F_SHARED) ||
		    !mip_place_is(&w->places[group[i].index], (uint32_t)from->sll_ifindex, from->sll_addr))
			continue;
		*t = group[i];
		return true;
	}
	return false;
}

uint32_t mip_worker_link_address(const struct mip_worker *w, const struct mip_tunnel *t)
{
	return mip_place_read(&w->places[t->index]).own_be;
}

bool mip_worker_link_send(struct mip_worker *w, const uint8_t *message, size_t len,
			  const struct mip_tunnel *t)
{
	uint8_t frame[FRONT + MIP_ICMP_MAX] = { 0 };
	struct mip_spot spot = mip_place_read(&w->places[t->index]);

	memcpy(frame + FRONT, message, len);
	return put_on_link(w, frame, len, &spot) == 0;
}

static void tunnel(struct mip_worker *w, struct mip_packet *p, struct mip_ipv4 *ip,
		   const struct mip_super *super, const struct mip_tunnel *t)
{
	enum mip_drop drop = mip_encap_forward(p->data, ip);

	if (drop) {
		mip_worker_drop_super(w, drop, t, p, ip, super);
		return;
	}
	mip_worker_check_reach(w, p, ip, super, t);
	if (super->count > 1)
		mip_worker_tunnel_super(w, p, ip, super, t);
	else if (mip_worker_tunnel(w, p, ip, t, false) == MIP_DROP_TOO_BIG)
		mip_worker_too_big(w, p, t);
}

/* To the foreign agent itself.  Only what the node tunnelled to it goes on (RFC 3024 5.2); the kernel has the rest. */
static void to_agent(struct mip_worker *w, struct mip_packet *p, const struct mip_ipv4 *ip,
		     const struct mip_super *super, const struct mip_tunnel *t)
{
	struct mip_decap d;
	enum mip_drop drop;

	if (!mip_encap_is_known(ip->protocol))
		return;
	drop = mip_decapsulate(p, (enum mip_encap)ip->protocol, &d);
	if (!drop)
		drop = d.inner.src_be == t->home_be ? mip_path_delivery(t, (enum mip_encap)ip->protocol, &d)
						    : MIP_DROP_NO_BINDING;
	mip_add(&w->counters[MIP_COUNTER_DELIVERED_PACKETS], !drop);
	if (drop)
		mip_worker_drop(w, drop, t, p);
	else
		tunnel(w, p, &d.inner, super, t);
}

static void link_packet(struct mip_worker *w, struct mip_packet *p, const struct sockaddr_ll *from)
{
	uint8_t *offload = p->data - FRONT;
	struct mip_super super = { .count = 1 };
	struct mip_ipv4 ip;
	struct mip_tunnel t;
	struct mip_spot spot;
	enum mip_drop drop = mip_ipv4_parse(p->data, p->len, MIP_INNER, &ip);

	shift(offload, CSUM_START, -ETH_HLEN);
	if (!drop)
		drop = mip_offload_read(offload, p->data, &ip, &super);
	mip_add(&w->counters[MIP_COUNTER_LINK_READ_PACKETS], super.count);
	if (!drop && !find_visitor(w, ip.src_be, from, &t))
		drop = MIP_DROP_NO_BINDING;
	if (drop) {
		mip_worker_drop_super(w, drop, NULL, p, &ip, &super);
		return;
	}
	p->len = ip.total;
	spot = mip_place_read(&w->places[t.index]);
	if (ip.dst_be == spot.own_be || ip.dst_be == t.local_be)
		to_agent(w, p, &ip, &super, &t);
	else if (t.flags & MIP_F_DELIVERY) /* for a direct way its address is too ambiguous */
		mip_worker_drop_super(w, MIP_DROP_SHARED_ADDRESS, &t, p, &ip, &super);
	else if (!(t.flags & MIP_F_REVERSE))
		mip_worker_drop_super(w, MIP_DROP_NOT_REVERSE, &t, p, &ip, &super);
	else
		tunnel(w, p, &ip, &super, &t);
}

/* One batch of a link; none if it was closed meanwhile. */
static int receive(struct mip_links *l, uint32_t at, struct mmsghdr *messages)
{
	int count;

	pthread_mutex_lock(l->lock);
	count = l->link[at].ifindex ? recvmmsg(l->link[at].fd, messages, MIP_BATCH, MSG_DONTWAIT, NULL) : 0;
	pthread_mutex_unlock(l->lock);
	return count;
}

static void link_batch(struct mip_worker *w, const struct mmsghdr *messages, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct mip_packet p = { .data = mip_room(w, i),
					.len = messages[i].msg_len - FRONT,
					.headroom = MIP_HEADROOM };

		if (messages[i].msg_len > FRONT)
			link_packet(w, &p, messages[i].msg_hdr.msg_name);
	}
	mip_worker_flush(w);
}

void *mip_worker_link(void *links)
{
	struct mip_links *l = links;
	struct mip_worker *w = l->worker;
	struct epoll_event events[MIP_LINK_MAX + 1];
	struct mmsghdr messages[MIP_BATCH];
	struct sockaddr_ll from[MIP_BATCH];
	struct iovec iov[MIP_BATCH];

	memset(messages, 0, sizeof(messages));
	for (uint32_t i = 0; i < MIP_BATCH; i++) {
		iov[i] = (struct iovec){ mip_room(w, i) - FRONT, FRONT + MIP_PACKET_MAX };
		messages[i].msg_hdr.msg_iov = &iov[i];
		messages[i].msg_hdr.msg_iovlen = 1;
		messages[i].msg_hdr.msg_name = &from[i];
		messages[i].msg_hdr.msg_namelen = sizeof(from[i]);
	}
	while (!atomic_load_explicit(w->stopping, memory_order_relaxed)) {
		int ready = epoll_wait(l->epoll_fd, events, MIP_LINK_MAX + 1, -1);

		for (int i = 0; i < ready; i++) {
			int count = events[i].data.u32 < MIP_LINK_MAX
					    ? receive(l, events[i].data.u32, messages)
					    : 0;

			if (count <= 0)
				continue;
			mip_worker_begin(w);
			link_batch(w, messages, (uint32_t)count);
			mip_worker_end(w);
		}
	}
	return NULL;
}
