/*
 * Packets into a ring of captured ones and out of it, and events into theirs, against a queue that is plainly right.
 * Invariants: what comes out is what went in, in its order, cut at the snap length; what there is no room for is lost,
 * by the arithmetic of the header file, and counted; headers that are written over after they were kept do not show;
 * a reader who writes anything to the shared memory harms neither side; indices go on from the highest with zero.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mip_bytes.h"
#include "mip_capture.h"
#include "mip_ring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { STEP = 6, STEPS_MOST = 128, THREAD = 1, HEADER = sizeof(struct mip_captured) };

struct waiting {
	uint64_t time_ns;
	uint32_t length, captured;
	uint16_t drop;
	uint8_t layer, direction, mark;
};

static struct waiting queue[STEPS_MOST];
static uint32_t first, end;
static uint64_t free_bytes, lost[MIP_CAPTURE_LAYERS];
static struct mip_captures captures;
static struct mip_capture *const capture = &captures.capture[2];
static uint8_t out[MIP_PACKET_MAX];

/* Of a packet that is told apart by its mark. */
static uint8_t byte_of(uint32_t i, uint8_t mark)
{
	return (uint8_t)(i * 7 + i / 256 + mark);
}

static uint64_t room_for(uint32_t bytes)
{
	return HEADER + ((uint64_t)bytes + 7) / 8 * 8;
}

/* The reader and the writer agree again, at the offset in the ring. */
static void empty(uint64_t at)
{
	struct mip_capture_ring *r = &capture->rings[THREAD];

	capture->head[THREAD] = at;
	atomic_store(&r->head, at);
	atomic_store(&r->tail, at);
	free_bytes = MIP_CAPTURE_RING;
	first = end;
}

/* step: how long, how much of it is elsewhere, kept or not, cut where, and what is said of it. */
static void put(const uint8_t step[STEP], uint32_t number)
{
	const uint32_t len =
		step[1] == 0xff && step[4] == 0xff ? MIP_PACKET_MAX : step[1] * (step[2] % 8 + 1u);
	uint32_t tail = step[2] & 0x80 ? len - step[3] % (len + 1) : 0, here = len - tail;
	uint8_t *head = malloc(here ? here : 1), *rest = malloc(tail ? tail : 1), kept[MIP_CAPTURE_KEPT];
	struct mip_packet p = { .data = head, .len = len, .tail = tail ? rest : NULL, .tail_len = tail };
	struct waiting w = { .time_ns = number, .length = len, .mark = step[4] };
	struct mip_captured c;

	for (uint32_t i = 0; i < here; i++)
		head[i] = byte_of(i, w.mark);
	for (uint32_t i = 0; i < tail; i++)
		rest[i] = byte_of(here + i, w.mark);
	capture->snap = step[5] < 16 ? MIP_PACKET_MAX : step[5] * 4u;
	w.captured = len < capture->snap ? len : capture->snap;
	w.drop = step[4];
	w.layer = step[4] % MIP_CAPTURE_LAYERS;
	w.direction = step[4] / 2 % 2;
	c = (struct mip_captured){
		.time_ns = w.time_ns, .drop = w.drop, .layer = w.layer, .direction = w.direction
	};
	/* One with a tail has no more than headers in front of it. */
	if (step[2] & 0x40 && (!tail || here <= MIP_CAPTURE_KEPT)) {
		p = mip_capture_keep(kept, &p);
		memset(head, 0xee, here < MIP_CAPTURE_KEPT ? here : MIP_CAPTURE_KEPT);
	}
	if (mip_capture_put(capture, THREAD, c, &p)) {
		assert(free_bytes >= room_for(w.captured));
		free_bytes -= room_for(w.captured);
		queue[end++] = w;
	} else {
		assert(free_bytes < room_for(w.captured));
		lost[w.layer]++;
	}
	free(head);
	free(rest);
}

static void take(void)
{
	const struct waiting *w = &queue[first];
	struct mip_captured c;

	if (!mip_capture_take(&capture->rings[THREAD], &c, out)) {
		assert(first == end);
		return;
	}
	assert(first++ != end);
	assert(c.time_ns == w->time_ns && c.length == w->length && c.captured == w->captured);
	assert(c.drop == w->drop && c.layer == w->layer && c.direction == w->direction && !c.reserved);
	for (uint32_t i = 0; i < c.captured; i++)
		assert(out[i] == byte_of(i, w->mark));
	free_bytes += room_for(w->captured);
}

/* The reader writes where it likes; both sides go on, and nobody says what they find. */
static void scribble(const uint8_t step[STEP])
{
	struct mip_capture_ring *r = &capture->rings[THREAD];
	const struct mip_captured c = { .captured = 64, .layer = MIP_CAPTURE_INNER };
	const struct mip_packet p = { .data = out, .len = 64 };
	const uint64_t head = capture->head[THREAD], before = atomic_load(&r->lost[MIP_CAPTURE_INNER]);
	const uint64_t tail = head - ((uint64_t)mip_load32_be(step + 2) << (step[1] & 31));
	struct mip_captured found;
	bool fits;

	capture->snap = MIP_PACKET_MAX;
	memcpy(r->bytes + (head - HEADER) % MIP_CAPTURE_RING / 8 * 8, step, STEP);
	atomic_store(&r->tail, tail);
	fits = mip_capture_put(capture, THREAD, c, &p);
	assert(fits == (head - tail <= MIP_CAPTURE_RING - room_for(64)));
	assert(atomic_load(&r->lost[MIP_CAPTURE_INNER]) == before + !fits);
	lost[MIP_CAPTURE_INNER] += !fits;
	atomic_store(&r->tail, head - HEADER);
	while (mip_capture_take(r, &found, out) && atomic_load(&r->tail) - head < 4096)
		assert(found.captured <= MIP_PACKET_MAX);
	empty(capture->head[THREAD]);
}

static void packets(const uint8_t *data, size_t len)
{
	struct mip_capture_ring *r;

	if (!capture->rings)
		capture->rings = calloc(MIP_THREADS, sizeof(*capture->rings));
	assert(capture->rings);
	r = &capture->rings[THREAD];
	for (int layer = 0; layer < MIP_CAPTURE_LAYERS; layer++) {
		lost[layer] = 0;
		atomic_store(&r->lost[layer], 0);
	}
	first = end = 0;
	if (len < 2)
		return;
	/* Near the end of the ring, or of all numbers; so full that little more goes in. */
	empty((data[0] & 1 ? UINT64_MAX - 7 : 2 * (uint64_t)MIP_CAPTURE_RING) - (data[0] & 0xfeu) * 8);
	if (data[1]) {
		atomic_store(&r->tail, capture->head[THREAD] - MIP_CAPTURE_RING + data[1] * 64u);
		free_bytes = data[1] * 64u;
	}
	for (uint32_t number = 0; number < STEPS_MOST && (number + 1) * STEP + 2 <= len; number++) {
		const uint8_t *step = data + 2 + number * STEP;

		switch (step[0] % 8) {
		case 0:
			scribble(step);
			break;
		case 1:
		case 2:
			/* What stands in front in an almost full ring is none of these. */
			if (!data[1])
				take();
			break;
		default:
			put(step, number);
		}
		for (int layer = 0; layer < MIP_CAPTURE_LAYERS; layer++)
			assert(mip_capture_lost(r, (enum mip_capture_layer)layer) == lost[layer]);
	}
	if (!data[1])
		while (first != end)
			take();
}

/* ---- events */

static void events(const uint8_t *data, size_t len)
{
	static struct mip_ring r;
	uint64_t in = 0, taken = 0;

	if (!len)
		return;
	atomic_store(&r.head, (uint32_t)-data[0]);
	atomic_store(&r.tail, (uint32_t)-data[0]);
	for (size_t at = 1; at < len; at++) {
		struct mip_event event = { .value = in };

		for (uint32_t n = data[at] >> 1; n; n--) {
			if (data[at] & 1) {
				event = (struct mip_event){ data[at], (uint32_t)at, (uint32_t)in, in };
				assert(mip_ring_put(&r, &event) == (in - taken < MIP_RING_SIZE));
				in += in - taken < MIP_RING_SIZE;
			} else {
				assert(mip_ring_take(&r, &event) == (taken < in));
				assert(taken == in ||
				       (event.value == taken && event.inner_be == (uint32_t)taken));
				taken += taken < in;
			}
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (!len)
		return 0;
	if (data[0])
		packets(data + 1, len - 1);
	else
		events(data + 1, len - 1);
	return 0;
}
