/* The rings and frames of an AF_XDP socket, with this test in the kernel's place. */
#include "check.h"
#include "mip_xsk.h"

enum { SIZE = 4096 };

static _Atomic uint32_t send_produced, send_consumed, done_produced, done_consumed, fill_produced,
	fill_consumed, received_produced, received_consumed, flags;
static struct xdp_desc descs[MIP_XSK_SEND], received[MIP_BATCH];
static uint64_t done[MIP_XSK_SEND], filled[MIP_BATCH];
static uint8_t *memory;
static struct mip_xsk_frames frames;

static struct mip_xsk_ring send_ring = { &send_produced, &send_consumed, &flags, descs, MIP_XSK_SEND, 0 },
			   done_ring = { &done_produced, &done_consumed, &flags, done, MIP_XSK_SEND, 0 },
			   fill_ring = { &fill_produced, &fill_consumed, &flags, filled, MIP_BATCH, 0 };

static struct mip_xsk_ring received_ring = { &received_produced, &received_consumed, &flags,
					     received,           MIP_BATCH,          0 };

static const uint8_t to[6] = { 2, 0, 0, 0, 0, 1 }, from[6] = { 2, 0, 0, 0, 0, 2 };

/* Near the end of the numbers, which go on from zero. */
static void wind_on(struct mip_xsk_ring *r)
{
	r->own = UINT32_MAX - 5;
	atomic_store(r->producer, r->own);
	atomic_store(r->consumer, r->own);
}

static void one_frame(void)
{
	uint8_t head[] = { 1, 2, 3 }, tail[] = { 4, 5 };
	const struct iovec iov[] = { { head, 3 }, { tail, 2 } };
	const struct xdp_desc *desc = mip_xsk_desc(&send_ring, send_ring.own);
	const uint8_t *frame, expected[] = { 8, 0, 1, 2, 3, 4, 5 };

	mip_xsk_queue(&send_ring, &frames, memory, to, from, iov, 2);
	frame = memory + desc->addr;
	CHECK(desc->addr == SIZE && desc->len == MIP_XSK_ETHERNET + 5 && desc->options == 0);
	CHECK(memcmp(frame, to, 6) == 0 && memcmp(frame + 6, from, 6) == 0);
	CHECK(memcmp(frame + 12, expected, sizeof(expected)) == 0);
	CHECK(atomic_load(&send_produced) + 1 == send_ring.own);
	mip_xsk_produced(&send_ring);
	CHECK(atomic_load(&send_produced) == send_ring.own && frames.count == MIP_XSK_SEND - 1);
	CHECK(mip_xsk_room(&send_ring) == MIP_XSK_SEND - 1);
}

/* The kernel takes some, gives back some, in any order: no frame is lost and none is in two places. */
static void many_rounds(void)
{
	static uint64_t flying[MIP_XSK_SEND];
	static bool out[MIP_XSK_SEND];
	uint8_t byte = 7;
	const struct iovec iov = { &byte, 1 };
	uint32_t count = 0;

	for (int round = 0; round < 20000; round++) {
		for (uint32_t n = check_random() % 65; n && frames.count; n--)
			mip_xsk_queue(&send_ring, &frames, memory, to, from, &iov, 1);
		mip_xsk_produced(&send_ring);
		for (uint32_t n = check_random() % 80; n && atomic_load(&send_consumed) != send_ring.own;
		     n--) {
			uint64_t address = mip_xsk_desc(&send_ring, send_consumed++)->addr;
			uint64_t number = (address - SIZE) / MIP_XSK_FRAME;

			CHECK(address % MIP_XSK_FRAME == 0 && number < MIP_XSK_SEND && !out[number]);
			out[number] = true;
			flying[count++] = address;
		}
		for (uint32_t n = check_random() % 80; n && count; n--) {
			uint32_t i = check_random() % count;

			out[(flying[i] - SIZE) / MIP_XSK_FRAME] = false;
			done[done_produced++ % MIP_XSK_SEND] = flying[i];
			flying[i] = flying[--count];
		}
		mip_xsk_reclaim(&frames, &done_ring);
		CHECK(atomic_load(&done_consumed) == atomic_load(&done_produced));
		CHECK(frames.count + count + (send_ring.own - atomic_load(&send_consumed)) == MIP_XSK_SEND);
	}
}

/* Frames that the kernel cannot have had are not taken. */
static void too_many_back(void)
{
	mip_xsk_frames_init(&frames, SIZE);
	frames.count--;
	done[done_produced++ % MIP_XSK_SEND] = SIZE;
	done[done_produced++ % MIP_XSK_SEND] = SIZE;
	mip_xsk_reclaim(&frames, &done_ring);
	CHECK(frames.count == MIP_XSK_SEND && mip_xsk_ready(&done_ring) == 1);
}

static void refilled(void)
{
	for (uint32_t i = 0; i < 6; i++)
		*mip_xsk_desc(&received_ring, received_ring.own + i) =
			(struct xdp_desc){ .addr = (uint64_t)i % 3 * MIP_XSK_FRAME + 256 };
	atomic_store(&received_produced, received_ring.own + 6);
	mip_xsk_refill(&fill_ring, &received_ring, 3);
	CHECK(mip_xsk_ready(&received_ring) == 3 && atomic_load(&received_consumed) == UINT32_MAX - 2);
	CHECK(atomic_load(&fill_produced) == UINT32_MAX - 2 && mip_xsk_room(&fill_ring) == MIP_BATCH - 3);
	mip_xsk_refill(&fill_ring, &received_ring, 3);
	CHECK(mip_xsk_ready(&received_ring) == 0);
	CHECK(atomic_load(&fill_produced) == 0 && *mip_xsk_address(&fill_ring, UINT32_MAX) == 4096);
	atomic_store(&flags, XDP_RING_NEED_WAKEUP);
	CHECK(mip_xsk_sleeps(&fill_ring));
	atomic_store(&flags, 0);
	CHECK(!mip_xsk_sleeps(&fill_ring));
}

int main(void)
{
	check_seed();
	memory = malloc(SIZE + (size_t)MIP_XSK_SEND * MIP_XSK_FRAME);
	CHECK(memory);
	wind_on(&send_ring);
	wind_on(&done_ring);
	wind_on(&fill_ring);
	wind_on(&received_ring);
	mip_xsk_frames_init(&frames, SIZE);
	one_frame();
	many_rounds();
	too_many_back();
	refilled();
	free(memory);
	return 0;
}
