/*
 * Frames into the XDP program, and what a kernel may do to the rings of an AF_XDP socket.
 * Invariants: the program takes exactly the frames that a predicate written from its description takes, and looks at
 * nothing outside of them; what it takes is, as the receiver reads it, a whole datagram without options, or refused.
 * No frame to send is lost or in two places, each holds what was queued, and every frame received goes back.
 */
#include <stdlib.h>

#include "bpf.h"
#include "mip_ipv4.h"
#include "mip_tunnel.h"
#include "mip_xsk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* ---- the program */

enum { NOT_KNOWN = 2, KINDS = 4, FRAME_MOST = MIP_XSK_LONGEST + 4, HEADERS = MIP_XSK_ETHERNET + 20 };

static uint32_t word_at(const uint8_t *frame, uint32_t offset)
{
	uint32_t word;

	memcpy(&word, frame + offset, sizeof(word));
	return word;
}

/* As mip_redirect.h says it, but for the map. */
static bool is_candidate(const uint8_t *frame, uint32_t len)
{
	return len >= HEADERS && len <= MIP_XSK_LONGEST && frame[12] == 8 && frame[13] == 0 &&
	       frame[14] == 0x45 && !(frame[20] & 0x3f) && !frame[21] && mip_encap_is_known(frame[23]);
}

static void received(uint8_t *frame, uint32_t len)
{
	const struct xdp_desc desc = { .addr = 0, .len = len };
	const struct mip_packet p = mip_xsk_packet(frame, &desc);
	struct mip_ipv4 ip;

	assert(p.data == frame + MIP_XSK_ETHERNET && p.len <= len - MIP_XSK_ETHERNET);
	if (mip_ipv4_parse(p.data, p.len, MIP_OUTER, &ip))
		return;
	assert(ip.header == MIP_IPV4_HEADER && !mip_ipv4_is_fragment(&ip) && ip.total == p.len);
}

/* A frame that is taken, but for the bytes that the input changes: their offsets and values. */
static void program(const uint8_t *data, size_t len)
{
	static const uint8_t kinds[KINDS] = { MIP_ENCAP_IPIP, MIP_ENCAP_GRE, MIP_ENCAP_MINIMAL, 17 };
	static struct bpf_insn code[MIP_REDIRECT_MAX];
	static uint32_t count;
	struct bpf_world w = { 0 };
	uint8_t *frame;
	bool taken;

	if (!count)
		count = mip_redirect_program(code, BPF_KEYS_FD, BPF_SOCKETS_FD);
	if (len < 4)
		return;
	w.linear = (uint32_t)(data[1] << 8 | data[2]) % (FRAME_MOST + 1);
	w.queue = data[3];
	frame = calloc(1, w.linear ? w.linear : 1);
	w.frame = frame;
	if (w.linear >= HEADERS) {
		frame[12] = 8;
		frame[14] = 0x45;
		frame[16] = (uint8_t)((w.linear - MIP_XSK_ETHERNET) >> 8);
		frame[17] = (uint8_t)(w.linear - MIP_XSK_ETHERNET);
		frame[22] = 64;
		frame[23] = kinds[data[0] >> 2 & (KINDS - 1)];
		frame[26] = 192;
		frame[30] = 198;
	}
	for (size_t at = 4; at + 1 < len; at += 2)
		if (data[at] < w.linear)
			frame[data[at]] = data[at + 1];
	if (w.linear >= HEADERS) {
		w.known.source_be = word_at(frame, 26);
		w.known.destination_be = word_at(frame, 30);
		w.known.protocol = frame[23];
	}
	/* One bit of the key is another. */
	if (data[0] & NOT_KNOWN)
		((uint8_t *)&w.known)[data[3] % sizeof(w.known)] ^= (uint8_t)(1 << (data[3] >> 5));
	taken = bpf_run(&w, code, count) == XDP_REDIRECT;
	assert(w.looked == is_candidate(frame, w.linear));
	assert(taken == (w.looked && !(data[0] & NOT_KNOWN)));
	if (w.looked) {
		assert(w.asked.source_be == word_at(frame, 26) &&
		       w.asked.destination_be == word_at(frame, 30));
		assert(w.asked.protocol == frame[23]);
		received(frame, w.linear);
	}
	free(frame);
}

/* ---- rings */

enum { FIRST = 8 * MIP_XSK_FRAME, RECEIVED = 8, FEW = 8, MANY = 300, LONG = 1500 };

static _Atomic uint32_t indices[8], flags;
static struct xdp_desc sent[MIP_XSK_SEND], arrived[RECEIVED];
static uint64_t done[MIP_XSK_SEND], filled[RECEIVED];
static uint8_t memory[FIRST + MIP_XSK_SEND * MIP_XSK_FRAME];

enum place { FREE, IN_RING, FLYING, BACK };

struct kernel {
	enum place place[MIP_XSK_SEND]; /* of each frame to be sent */
	uint8_t mark[MIP_XSK_SEND];     /* what its datagram is filled with */
	uint16_t size[MIP_XSK_SEND];
	uint64_t flying[MIP_XSK_SEND];
	uint32_t count; /* frames that fly */
};

static struct kernel kernel;

static uint32_t number_of(uint64_t address)
{
	assert(address >= FIRST && address < sizeof(memory) && address % MIP_XSK_FRAME == 0);
	return (uint32_t)((address - FIRST) / MIP_XSK_FRAME);
}

static struct mip_xsk_ring ring(int number, void *entries, uint32_t size, uint32_t start)
{
	atomic_store(&indices[2 * number], start);
	atomic_store(&indices[2 * number + 1], start);
	return (struct mip_xsk_ring){
		&indices[2 * number], &indices[2 * number + 1], &flags, entries, size, start
	};
}

/* A datagram of two pieces. */
static void queue(struct mip_xsk_ring *send, struct mip_xsk_frames *frames, uint8_t mark, uint16_t size)
{
	static const uint8_t to[6] = { 2, 1 }, from[6] = { 2, 2 };
	static uint8_t datagram[MIP_XSK_FRAME];
	const uint32_t cut = mark < size ? mark : size, before = send->own;
	const struct iovec iov[] = { { datagram, cut }, { datagram + cut, size - cut } };
	const struct xdp_desc *desc = mip_xsk_desc(send, before);
	uint32_t number;

	memset(datagram, mark, size);
	mip_xsk_queue(send, frames, memory, to, from, iov, 2);
	assert(send->own == before + 1 && desc->len == MIP_XSK_ETHERNET + (uint32_t)size);
	number = number_of(desc->addr);
	assert(kernel.place[number] == FREE);
	kernel.place[number] = IN_RING;
	kernel.mark[number] = mark;
	kernel.size[number] = size;
}

static void transmit(const struct xdp_desc *desc)
{
	const uint32_t number = number_of(desc->addr);
	const uint8_t *frame = memory + desc->addr;
	static uint8_t expected[MIP_XSK_FRAME];

	assert(kernel.place[number] == IN_RING);
	assert(frame[0] == 2 && frame[1] == 1 && frame[7] == 2 && frame[12] == 8 && frame[13] == 0);
	memset(expected, kernel.mark[number], kernel.size[number]);
	assert(memcmp(frame + MIP_XSK_ETHERNET, expected, kernel.size[number]) == 0);
	kernel.place[number] = FLYING;
	kernel.flying[kernel.count++] = desc->addr;
}

/* Any of those that fly. */
static void complete(uint32_t which, _Atomic uint32_t *produced)
{
	uint64_t *one = &kernel.flying[which % kernel.count];

	kernel.place[number_of(*one)] = BACK;
	done[atomic_load(produced) % MIP_XSK_SEND] = *one;
	*one = kernel.flying[--kernel.count];
	atomic_fetch_add(produced, 1);
}

static void reclaim(struct mip_xsk_frames *frames, struct mip_xsk_ring *completions)
{
	uint32_t before = frames->count;

	mip_xsk_reclaim(frames, completions);
	assert(mip_xsk_ready(completions) == 0);
	for (; before < frames->count; before++) {
		const uint32_t number = number_of(frames->free[before]);

		assert(kernel.place[number] == BACK);
		kernel.place[number] = FREE;
	}
}

/* Frames come, wherever in theirs the kernel puts them, and go back. */
static void receive(struct mip_xsk_ring *fill, struct mip_xsk_ring *received_ring, uint8_t count,
		    uint8_t offset)
{
	const uint32_t filled_before = fill->own;

	count %= RECEIVED + 1;
	for (uint32_t i = 0; i < count; i++)
		*mip_xsk_desc(received_ring, received_ring->own + i) =
			(struct xdp_desc){ .addr = (uint64_t)i * MIP_XSK_FRAME + MIP_XSK_HEADROOM + offset,
					   .len = 60 };
	atomic_fetch_add(received_ring->producer, count);
	mip_xsk_refill(fill, received_ring, count);
	assert(mip_xsk_ready(received_ring) == 0 && fill->own == filled_before + count);
	for (uint32_t i = 0; i < count; i++)
		assert(*mip_xsk_address(fill, filled_before + i) == (uint64_t)i * MIP_XSK_FRAME);
	atomic_store(fill->consumer, fill->own);
	assert(mip_xsk_room(fill) == RECEIVED);
}

/* Three bytes a step: what, with how many, and which or what is in it. */
static void rings(const uint8_t *data, size_t len)
{
	static struct mip_xsk_frames frames;
	/* Indices go on from the highest number with zero. */
	const uint32_t start = (uint32_t) - (len ? data[0] : 0);
	struct mip_xsk_ring send = ring(0, sent, MIP_XSK_SEND, start),
			    completions = ring(1, done, MIP_XSK_SEND, start),
			    fill = ring(2, filled, RECEIVED, start),
			    received_ring = ring(3, arrived, RECEIVED, start);

	memset(&kernel, 0, sizeof(kernel));
	mip_xsk_frames_init(&frames, FIRST);
	for (size_t at = 1; at + 2 < len; at += 3) {
		const uint8_t how = data[at + 1], more = data[at + 2];
		uint32_t n = how % FEW;

		/* Few steps are: they take long. */
		if (how == 0xff)
			n *= MANY;
		switch (data[at] % 5) {
		case 0:
			for (; n && frames.count; n--)
				queue(&send, &frames, more, how % 16 ? more : LONG);
			mip_xsk_produced(&send);
			break;
		case 1:
			for (; n && atomic_load(send.consumer) != send.own; n--)
				transmit(mip_xsk_desc(&send, atomic_fetch_add(send.consumer, 1)));
			break;
		case 2:
			for (; n && kernel.count; n--)
				complete(more + n, completions.producer);
			break;
		case 3:
			reclaim(&frames, &completions);
			break;
		default:
			receive(&fill, &received_ring, how, more);
		}
		assert(frames.count + (send.own - atomic_load(send.consumer)) + kernel.count +
			       mip_xsk_ready(&completions) ==
		       MIP_XSK_SEND);
		assert(mip_xsk_room(&send) >= frames.count);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (!len)
		return 0;
	if (data[0] & 1)
		program(data, len);
	else
		rings(data + 1, len - 1);
	return 0;
}
