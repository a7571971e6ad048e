/* Nanoseconds per table look-up, by number of entries; random keys, so large tables are cold. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "mip_table.h"

enum { LOOKUPS = 4000000, KEYS = 1 << 20, CAPACITY = 1 << 20, BATCH = 64 };

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static double run(const struct mip_table *table, const uint32_t *keys, bool prefetch)
{
	struct mip_tunnel t;
	uint64_t start = now_ns();
	uint32_t sum = 0;

	for (int i = 0; i < LOOKUPS; i += BATCH) {
		if (prefetch)
			for (int j = 0; j < BATCH; j++)
				mip_table_prefetch(table, keys[(i + j) % KEYS], MIP_HOME);
		for (int j = 0; j < BATCH; j++)
			sum += mip_table_find(table, keys[(i + j) % KEYS], MIP_HOME, &t) ? t.mtu : 0;
	}
	if (sum != (uint32_t)LOOKUPS / BATCH * BATCH)
		abort();
	return (double)(now_ns() - start) / LOOKUPS;
}

int main(void)
{
	static const uint32_t sizes[] = { 100, 10000, 100000, 1000000 };
	uint32_t *keys = malloc(KEYS * sizeof(*keys));

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		struct mip_table table;
		size_t bytes = mip_table_bytes(CAPACITY);
		void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		uint32_t random = 1;
		uint64_t start;
		double insert;

		if (memory == MAP_FAILED || !keys)
			return 1;
		mip_table_init(&table, memory, CAPACITY, 99);
		start = now_ns();
		for (uint32_t i = 1; i <= sizes[s]; i++) {
			const struct mip_tunnel t = { .home_be = i, .mtu = 1 };

			mip_table_put(&table, &t);
		}
		insert = (double)(now_ns() - start) / sizes[s];
		for (int i = 0; i < KEYS; i++)
			keys[i] = 1 + (random = random * 1664525 + 1013904223) / 2048 % sizes[s];
		printf("%8u entries: insert %6.1f ns, look-up %5.1f ns, with prefetch by 64 %5.1f ns\n",
		       sizes[s], insert, run(&table, keys, false), run(&table, keys, true));
		munmap(memory, bytes);
	}
	free(keys);
	return 0;
}
