/*
 * Nanoseconds a packet, in memory, for all that a worker does with a batch but
 * system calls: parse, look up, check, encapsulate or decapsulate.  By number
 * of tunnels; random addresses, so large tables are cold, and 1024 of them in turn,
 * which stay warm.  The median of batches: one that was interrupted does not
 * count.  Beside it, copying 512 bytes.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "check.h"
#include "mip_path.h"

enum { ROUNDS = 30000, BATCH = 64, ROOM = 256, CAPACITY = 1 << 20, KEYS = 1 << 16, FEW = 1024, COPIED = 512 };

static struct mip_table table;
static uint8_t rooms[BATCH][ROOM];
static uint32_t homes[KEYS], keys = KEYS; /* those in use */
static uint32_t spent[ROUNDS];
static bool minimal; /* it changes the packet itself */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint32_t home(uint32_t number)
{
	return check_address(100, 64 + (number >> 16), number >> 8 & 0xff, number & 0xff);
}

static void fill_table(uint32_t entries, enum mip_encap encap)
{
	void *memory = mmap(NULL, mip_table_bytes(CAPACITY), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CHECK(memory != MAP_FAILED);
	(void)madvise(memory, mip_table_bytes(CAPACITY), MADV_HUGEPAGE); /* as the engine has it */
	mip_table_init(&table, memory, CAPACITY, 99);
	for (uint32_t i = 1; i <= entries; i++) {
		struct mip_tunnel t = {
			.home_be = home(i),
			.local_be = check_address(192, 0, 2, 1),
			.remote_be = check_address(192, 0, 2, 2),
			.mtu = 1480,
			.side = MIP_HOME,
			.encap = encap,
			.flags = MIP_F_REVERSE,
		};

		CHECK(mip_tunnel_prepare(&t) && mip_table_put(&table, &t) == MIP_PUT_NEW);
	}
	for (int i = 0; i < KEYS; i++)
		homes[i] = home(1 + check_random() % entries);
}

/* The packets of a round stay the same but for the home address: its checksum is mended by hand. */
static void set_address(uint8_t *packet, size_t at, uint32_t address_be)
{
	memcpy(packet + at, &address_be, 4);
	packet[10] = packet[11] = 0;
	uint16_t check = check_checksum(packet, 20);
	packet[10] = (uint8_t)(check >> 8);
	packet[11] = (uint8_t)check;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Nanoseconds for one of a batch. */
static double median(void)
{
	qsort(spent, ROUNDS, sizeof(spent[0]), compare);
	return (double)spent[ROUNDS / 2] / BATCH;
}

static double outbound(void)
{
	for (int round = 0; round < ROUNDS; round++) {
		struct mip_ipv4 inner[BATCH];
		struct mip_near near[BATCH];
		struct check_packet c = {
			.src_be = check_address(203, 0, 113, 9), .dst_be = home(1), .ttl = 9, .payload = 44
		};
		uint64_t start;

		for (int i = 0; i < BATCH; i++) {
			if (round == 0 || minimal)
				check_build(rooms[i] + 64, &c);
			set_address(rooms[i] + 64, 16, homes[(uint32_t)(round * BATCH + i) % keys]);
		}
		start = now_ns();
		for (int i = 0; i < BATCH; i++) {
			CHECK(mip_ipv4_parse(rooms[i] + 64, 64, MIP_INNER, &inner[i]) == MIP_OK);
			near[i] = mip_path_near_outbound(&table, &inner[i]);
		}
		for (int i = 0; i < BATCH; i++) {
			struct mip_packet p = { .data = rooms[i] + 64, .len = 64, .headroom = 64 };
			struct mip_tunnel t;

			CHECK(mip_path_outbound(&table, &inner[i], near[i], &t) == MIP_OK);
			CHECK(mip_encapsulate(&p, &inner[i], &t, (uint16_t)i) == MIP_OK);
		}
		spent[round] = (uint32_t)(now_ns() - start);
	}
	return median();
}

static double inbound(void)
{
	struct mip_tunnel t = { .home_be = home(1),
				.local_be = check_address(192, 0, 2, 2),
				.remote_be = check_address(192, 0, 2, 1),
				.mtu = 1480,
				.encap = MIP_ENCAP_IPIP };

	CHECK(mip_tunnel_prepare(&t));
	for (int round = 0; round < ROUNDS; round++) {
		struct mip_packet packets[BATCH];
		struct mip_decap decap[BATCH];
		struct mip_near near[BATCH];
		struct check_packet c = {
			.src_be = check_address(203, 0, 113, 9), .dst_be = home(1), .ttl = 9, .payload = 44
		};
		uint64_t start;

		for (int i = 0; i < BATCH; i++) {
			if (round == 0) {
				struct mip_packet p = { .data = rooms[i] + 64, .len = 64, .headroom = 64 };
				struct mip_ipv4 ip;

				check_build(p.data, &c);
				CHECK(mip_ipv4_parse(p.data, 64, MIP_INNER, &ip) == MIP_OK);
				CHECK(mip_encapsulate(&p, &ip, &t, 1) == MIP_OK);
			}
			set_address(rooms[i] + 64, 12, homes[(uint32_t)(round * BATCH + i) % keys]);
		}
		start = now_ns();
		for (int i = 0; i < BATCH; i++) {
			packets[i] = (struct mip_packet){ .data = rooms[i] + 44, .len = 84, .headroom = 44 };
			CHECK(mip_decapsulate(&packets[i], MIP_ENCAP_IPIP, &decap[i]) == MIP_OK);
			near[i] = mip_path_near_inbound(&table, &decap[i].inner);
		}
		for (int i = 0; i < BATCH; i++)
			CHECK(mip_path_inbound(&table, MIP_ENCAP_IPIP, &decap[i], near[i], &t) == MIP_OK);
		spent[round] = (uint32_t)(now_ns() - start);
	}
	return median();
}

/* From rooms a batch apart, as packets are. */
static double copy(void)
{
	static uint8_t from[BATCH][2 * COPIED], to[BATCH][2 * COPIED];

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t start = now_ns();

		for (int i = 0; i < BATCH; i++) {
			memcpy(to[i], from[i], COPIED);
			__asm__ volatile("" : : "r"(to[i]) : "memory");
		}
		spent[round] = (uint32_t)(now_ns() - start);
	}
	return median();
}

int main(void)
{
	static const uint32_t sizes[] = { 1, 1000, 1000000 };

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		fill_table(sizes[s], MIP_ENCAP_IPIP);
		for (int few = 0; few < 2; few++) {
			keys = few ? FEW : KEYS;
			printf("%8u tunnels, packets to %5u: encapsulate with look-up %5.1f ns, "
			       "decapsulate with look-up %5.1f ns\n",
			       sizes[s], keys, outbound(), inbound());
		}
		keys = KEYS;
		munmap(table.slots, mip_table_bytes(CAPACITY));
	}
	for (int i = 0; i < 2; i++) {
		minimal = i == 1;
		fill_table(1, minimal ? MIP_ENCAP_MINIMAL : MIP_ENCAP_GRE);
		printf("%s: encapsulate with look-up %5.1f ns\n", minimal ? "minimal" : "GRE", outbound());
		munmap(table.slots, mip_table_bytes(CAPACITY));
	}
	printf("copy of %d bytes: %5.1f ns\n", COPIED, copy());
	return 0;
}
