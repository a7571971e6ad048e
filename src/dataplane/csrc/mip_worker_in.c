/* mip_worker_in.c - from the tunnels to the TUN device. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "mip_offload.h"
#include "mip_path.h"
#include "mip_worker.h"

/* Hands one packet to the kernel; an errno if the device is gone, else 0. */
static int deliver(struct mip_worker *w, const struct mip_packet *p, const struct mip_decap *d,
		   const struct mip_tunnel *t)
{
	/* The outer header's place is free now. */
	uint8_t *start = p->data - MIP_OFFLOAD_HEADER;
	uint32_t mtu = t->mtu < w->device_mtu ? t->mtu : w->device_mtu;
	struct mip_offload offload = mip_offload_describe(start, p->data, &d->inner, mtu);

	if (write(w->tun_fd, start, MIP_OFFLOAD_HEADER + p->len) < 0) {
		if (errno == EBADFD || errno == ENODEV)
			return errno;
		mip_worker_drop(w, errno == EIO ? MIP_DROP_DEVICE_DOWN : MIP_DROP_DEVICE_REFUSED, t);
		return 0;
	}
	mip_add(&w->counters[MIP_COUNTER_DECAPSULATED_PACKETS], 1);
	mip_add(&w->counters[MIP_COUNTER_DECAPSULATED_BYTES], p->len);
	mip_add(&w->traffic[t->index].packets, 1);
	mip_add(&w->traffic[t->index].bytes, p->len);
	mip_add(&w->counters[MIP_COUNTER_ECN_UNUSED], d->ecn_unused);
	mip_add(&w->counters[MIP_COUNTER_CHECKSUM_PENDING], offload.checksum_pending);
	mip_add(&w->counters[MIP_COUNTER_MERGED_RECEIVED], offload.merged);
	return 0;
}

static int in_packet(struct mip_worker *w, const struct mip_packet *p, const struct mip_decap *d)
{
	struct mip_tunnel t;
	enum mip_drop drop = mip_path_inbound(w->table, MIP_ENCAP_IPIP, d, &t);

	if (drop == MIP_DROP_NO_BINDING) {
		mip_worker_drop(w, drop, NULL);
		mip_worker_sample(w, MIP_EVENT_UNKNOWN_HOME,
				  mip_table_has(w->table, MIP_CARE_OF) ? d->inner.dst_be : d->inner.src_be,
				  0);
		return 0;
	}
	if (drop) {
		mip_worker_drop(w, drop, &t);
		return 0;
	}
	return deliver(w, p, d, &t);
}

static int in_batch(struct mip_worker *w, const struct mmsghdr *messages, uint32_t count)
{
	struct mip_packet packets[MIP_BATCH];
	struct mip_decap decap[MIP_BATCH];
	enum mip_drop drop[MIP_BATCH];
	uint64_t bytes = 0;
	int error = 0;

	for (uint32_t i = 0; i < count; i++) {
		packets[i] = (struct mip_packet){ mip_room(w, i), messages[i].msg_len, MIP_HEADROOM };
		bytes += packets[i].len;
		drop[i] = mip_decapsulate(&packets[i], MIP_ENCAP_IPIP, &decap[i]);
		if (!drop[i])
			mip_path_prefetch_inbound(w->table, &decap[i].inner);
	}
	mip_add(&w->counters[MIP_COUNTER_RECEIVED_PACKETS], count);
	mip_add(&w->counters[MIP_COUNTER_RECEIVED_BYTES], bytes);
	for (uint32_t i = 0; i < count && !error; i++) {
		if (drop[i])
			mip_worker_drop(w, drop[i], NULL);
		else
			error = in_packet(w, &packets[i], &decap[i]);
	}
	return error;
}

void *mip_worker_in(void *worker)
{
	struct mip_worker *w = worker;
	struct mmsghdr messages[MIP_BATCH];
	struct iovec iov[MIP_BATCH];
	int count, error = 0;

	memset(messages, 0, sizeof(messages));
	for (uint32_t i = 0; i < MIP_BATCH; i++) {
		iov[i] = (struct iovec){ mip_room(w, i), MIP_PACKET_MAX };
		messages[i].msg_hdr.msg_iov = &iov[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	while (!error && !atomic_load_explicit(w->stopping, memory_order_relaxed)) {
		count = recvmmsg(w->raw_fd, messages, MIP_BATCH, 0, NULL);
		if (count > 0)
			error = in_batch(w, messages, (uint32_t)count);
		else if (count < 0 && errno != EAGAIN && errno != EINTR)
			error = errno;
		else if (!mip_worker_wait(w, w->raw_fd))
			break;
	}
	if (error)
		mip_worker_event(w, MIP_EVENT_THREAD_FAILED, 0, (uint64_t)error);
	return NULL;
}
