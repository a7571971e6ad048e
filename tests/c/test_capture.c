/* Rings of captured packets: what was put comes out, what finds no room is counted, and no reader can do harm. */
#include <pthread.h>
#include <string.h>

#include "check.h"
#include "mip_capture.h"

enum { HERE = 300 };

static struct mip_captures captures;
static struct mip_capture *const capture = &captures.capture[1];
static uint8_t room[MIP_PACKET_MAX], out[MIP_PACKET_MAX];

static void empty(uint32_t snap)
{
	memset(capture->rings, 0, MIP_THREADS * sizeof(*capture->rings));
	memset(capture->head, 0, sizeof(capture->head));
	capture->snap = snap;
}

static struct mip_packet packet(uint32_t len, uint32_t tail)
{
	struct mip_packet p = { .data = room, .len = len, .tail_len = tail };

	for (uint32_t i = 0; i < len; i++)
		room[i] = (uint8_t)(i * 7 + i / 256);
	p.tail = tail ? room + len - tail : NULL;
	return p;
}

static bool put(uint32_t number, uint64_t time_ns, const struct mip_packet *p)
{
	const struct mip_captured c = {
		.time_ns = time_ns, .drop = MIP_DROP_TOO_BIG, .layer = MIP_CAPTURE_INNER, .direction = MIP_IN
	};

	return mip_capture_put(capture, number, c, p);
}

static struct mip_captured take(uint32_t number)
{
	struct mip_captured c;

	CHECK(mip_capture_take(&capture->rings[number], &c, out));
	CHECK(c.drop == MIP_DROP_TOO_BIG && c.layer == MIP_CAPTURE_INNER && c.direction == MIP_IN);
	return c;
}

/* Any length, in one piece or two, cut or whole, wherever in the ring it begins. */
static void test_round_trip(void)
{
	static const uint32_t lengths[] = { 0, 1, 7, 8, 20, 1500, 65535 }, snaps[] = { 1, 96, 65535 };
	struct mip_captured c;

	for (int s = 0; s < 3; s++) {
		empty(snaps[s]);
		for (int i = 0; i < 2000; i++) {
			uint32_t len = lengths[check_random() % 7];
			struct mip_packet p = packet(len, len ? check_random() % len : 0);
			uint32_t kept = len < snaps[s] ? len : snaps[s];

			CHECK(put(2, (uint64_t)i, &p));
			c = take(2);
			CHECK(c.time_ns == (uint64_t)i && c.length == len && c.captured == kept);
			CHECK(memcmp(out, room, kept) == 0);
		}
		CHECK(!mip_capture_take(&capture->rings[2], &c, out));
		CHECK(!mip_capture_take(&capture->rings[1], &c, out));
	}
}

static void test_full(void)
{
	struct mip_packet p = packet(1000, 0);
	uint64_t fitted = 0, lost = 0;

	empty(65535);
	while (put(0, fitted, &p))
		fitted++;
	CHECK(fitted == MIP_CAPTURE_RING / (24 + 1000));
	CHECK(!put(0, 0, &p));
	lost = atomic_load(&capture->rings[0].lost[MIP_CAPTURE_INNER]);
	CHECK(lost == 2 && atomic_load(&capture->rings[0].lost[MIP_CAPTURE_OUTER]) == 0);
	for (uint64_t i = 0; i < fitted; i++)
		CHECK(take(0).time_ns == i);
	CHECK(put(0, 5, &p) && take(0).time_ns == 5);
}

/* Who maps the rings may write anything there: the thread's records stay in the ring, and it goes on. */
static void test_hostile_reader(void)
{
	struct mip_packet p = packet(1500, 0);

	empty(65535);
	for (int i = 0; i < 20000; i++) {
		atomic_store(&capture->rings[0].tail, (uint64_t)check_random() << 32 | check_random());
		atomic_store(&capture->rings[0].head, check_random());
		put(0, 0, &p);
	}
	atomic_store(&capture->rings[0].tail, capture->head[0]);
	CHECK(put(0, 77, &p) && take(0).time_ns == 77);
}

static void test_wants(void)
{
	struct mip_tunnel t = { .home_be = 1, .local_be = 2, .remote_be = 3 };
	struct check_packet c = { .src_be = 4, .dst_be = 5, .ttl = 9, .protocol = 17, .payload = 8 };
	struct mip_packet p = { .data = room };

	p.len = check_build(room, &c);
	for (uint32_t address = 0; address < 8; address++) {
		capture->address_be = address;
		CHECK(mip_capture_wants(capture, &t, &p) == (address <= 3));
		CHECK(mip_capture_wants(capture, NULL, &p) == (address == 0 || address == 4 || address == 5));
	}
	p.len = 19;
	CHECK(!mip_capture_wants(capture, NULL, &p));
}

static void test_keep(void)
{
	static const uint32_t lengths[] = { 19, MIP_CAPTURE_KEPT, HERE };
	uint8_t kept[MIP_CAPTURE_KEPT];

	empty(65535);
	for (int i = 0; i < 3; i++) {
		struct mip_packet p = packet(lengths[i], 0), copy = mip_capture_keep(kept, &p);

		/* As pushing another header does: the first bytes are not the packet's any more. */
		memset(room, 0xee, lengths[i] < 100 ? lengths[i] : 100);
		CHECK(put(0, 0, &copy));
		CHECK(take(0).length == lengths[i]);
		packet(lengths[i], 0);
		CHECK(memcmp(out, room, lengths[i]) == 0);
	}
	{
		struct mip_packet p = packet(HERE, HERE - 40), copy = mip_capture_keep(kept, &p);

		CHECK(copy.tail == p.tail && copy.tail_len == p.tail_len && copy.data == kept);
	}
}

static _Atomic bool ending;

/* A worker: batches, in which it may write to what was armed when they began. */
static void *worker(void *argument)
{
	_Atomic uint32_t *using = argument;
	uint8_t bytes[100] = { 0 };
	const struct mip_packet p = { .data = bytes, .len = sizeof(bytes) };

	for (uint64_t i = 0; !atomic_load(&ending); i++) {
		uint32_t taps = 0;

		if (atomic_load_explicit(&captures.armed, memory_order_relaxed))
			taps = mip_captures_begin(&captures, using);
		for (int k = 0; k < 10 && taps & 2; k++)
			put(3, i * 10 + (uint64_t)k, &p);
		if (atomic_load_explicit(using, memory_order_relaxed))
			atomic_store_explicit(using, 0, memory_order_release);
	}
	return NULL;
}

/* Armed, read and ended again and again; after the end nothing is written, so the memory can be given back. */
static void test_threads(void)
{
	_Atomic uint32_t using = 0;
	pthread_t thread;
	uint64_t taken = 0;

	CHECK(pthread_create(&thread, NULL, worker, &using) == 0);
	for (int round = 0; round < 100; round++) {
		struct mip_captured c;
		uint64_t last = 0, count = 0;

		/* Nothing but these is read before it is written. */
		capture->rings = aligned_alloc(64, MIP_THREADS * sizeof(*capture->rings));
		CHECK(capture->rings);
		memset(&capture->rings[3], 0, offsetof(struct mip_capture_ring, bytes));
		memset(capture->head, 0, sizeof(capture->head));
		capture->snap = 65535;
		atomic_fetch_or(&captures.armed, 2);
		while (count < 200) {
			if (!mip_capture_take(&capture->rings[3], &c, out))
				continue;
			CHECK((count == 0 || c.time_ns > last) && c.length == 100);
			last = c.time_ns;
			count++;
		}
		atomic_fetch_and(&captures.armed, ~2u);
		while (atomic_load(&using) & 2)
			;
		free(capture->rings);
		taken += count;
	}
	atomic_store(&ending, true);
	pthread_join(thread, NULL);
	CHECK(taken == 100 * 200);
}

int main(void)
{
	check_seed();
	capture->rings = aligned_alloc(64, MIP_THREADS * sizeof(*capture->rings));
	CHECK(capture->rings);
	test_round_trip();
	test_full();
	test_hostile_reader();
	test_wants();
	test_keep();
	free(capture->rings);
	test_threads();
	return 0;
}
