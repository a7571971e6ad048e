/*
 * memory.c - what a worker does with packets between its system calls, on packets that Python made.
 *
 * Each function takes `count` packets of `len` bytes: number i is at first + i * stride, with MIP_HEADROOM bytes in
 * front of it.  Those that work return how many packets went through.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "mip_path.h"

enum { PATH_MTU = 1500 + 20 }; /* so that 1500 bytes fit in one piece */

/* Alone of all that is compiled into the library; what they call is the library's own, and so can be inlined. */
#define EXPORTED __attribute__((visibility("default")))

struct packets {
	uint8_t *first;
	size_t stride;
	uint32_t len, count;
};

EXPORTED struct mip_table *memory_table(uint32_t first, uint32_t tunnels, uint32_t capacity, uint8_t side,
					uint8_t encap);
EXPORTED void memory_free(struct mip_table *table);
EXPORTED uint32_t memory_encapsulate(const struct mip_table *table, const struct packets *packets);
EXPORTED uint32_t memory_decapsulate(const struct mip_table *table, uint8_t encap,
				     const struct packets *packets);
EXPORTED void memory_copy(uint8_t *to, const struct packets *from);

/* Tunnels of the home addresses first, first + 1 and so on (host byte order) between 192.0.2.1 and 192.0.2.2. */
struct mip_table *memory_table(uint32_t first, uint32_t tunnels, uint32_t capacity, uint8_t side,
			       uint8_t encap)
{
	struct mip_table *table = aligned_alloc(_Alignof(struct mip_table), sizeof(*table));
	void *slots = mmap(NULL, mip_table_bytes(capacity), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (!table || slots == MAP_FAILED)
		abort();
	(void)madvise(slots, mip_table_bytes(capacity), MADV_HUGEPAGE); /* as the engine has it */
	mip_table_init(table, slots, capacity, 99);
	for (uint32_t i = 0; i < tunnels; i++) {
		uint32_t agent = __builtin_bswap32(0xc0000201), care_of = __builtin_bswap32(0xc0000202);
		struct mip_tunnel t = { .home_be = __builtin_bswap32(first + i),
					.mtu = PATH_MTU,
					.side = (enum mip_side)side };

		t.local_be = side == MIP_HOME ? agent : care_of;
		t.remote_be = side == MIP_HOME ? care_of : agent;
		t.encap = (enum mip_encap)encap;
		t.flags = MIP_F_REVERSE;
		if (!mip_tunnel_prepare(&t) || mip_table_put(table, &t) != MIP_PUT_NEW)
			abort();
	}
	return table;
}

void memory_free(struct mip_table *table)
{
	munmap(table->slots, mip_table_bytes(table->capacity));
	free(table);
}

static uint32_t batch_of(const struct packets *packets, uint32_t done)
{
	return packets->count - done < MIP_BATCH ? packets->count - done : MIP_BATCH;
}

uint32_t memory_encapsulate(const struct mip_table *table, const struct packets *packets)
{
	struct mip_ipv4 inner[MIP_BATCH];
	struct mip_near near[MIP_BATCH];
	uint32_t passed = 0;

	for (uint32_t done = 0, batch; done < packets->count; done += batch) {
		uint8_t *first = packets->first + done * packets->stride;

		batch = batch_of(packets, done);
		for (uint32_t i = 0; i < batch; i++)
			if (mip_ipv4_parse(first + i * packets->stride, packets->len, MIP_INNER, &inner[i]) ==
			    MIP_OK)
				near[i] = mip_path_near_outbound(table, &inner[i]);
		for (uint32_t i = 0; i < batch; i++) {
			struct mip_packet p = { .data = first + i * packets->stride,
						.len = packets->len,
						.headroom = MIP_HEADROOM };
			struct mip_tunnel t;

			if (mip_path_outbound(table, &inner[i], near[i], &t) == MIP_OK &&
			    mip_encapsulate(&p, &inner[i], &t, (uint16_t)i) == MIP_OK)
				passed++;
		}
	}
	return passed;
}

uint32_t memory_decapsulate(const struct mip_table *table, uint8_t encap, const struct packets *packets)
{
	struct mip_decap decap[MIP_BATCH];
	struct mip_near near[MIP_BATCH];
	bool usable[MIP_BATCH];
	uint32_t passed = 0;

	for (uint32_t done = 0, batch; done < packets->count; done += batch) {
		uint8_t *first = packets->first + done * packets->stride;

		batch = batch_of(packets, done);
		for (uint32_t i = 0; i < batch; i++) {
			struct mip_packet p = { .data = first + i * packets->stride,
						.len = packets->len,
						.headroom = MIP_HEADROOM };

			usable[i] = mip_decapsulate(&p, (enum mip_encap)encap, &decap[i]) == MIP_OK;
			if (usable[i])
				near[i] = mip_path_near_inbound(table, &decap[i].inner);
		}
		for (uint32_t i = 0; i < batch; i++) {
			struct mip_tunnel t;

			if (usable[i] &&
			    mip_path_inbound(table, (enum mip_encap)encap, &decap[i], near[i], &t) == MIP_OK)
				passed++;
		}
	}
	return passed;
}

void memory_copy(uint8_t *to, const struct packets *from)
{
	for (uint32_t i = 0; i < from->count; i++)
		memcpy(to + i * from->stride, from->first + i * from->stride, from->len);
}
