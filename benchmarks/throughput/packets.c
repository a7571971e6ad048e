/*
 * packets.c - UDP at given rates, and round trips: what Python is too slow for.
 *
 *	packets serve                                   at one end: counts (port 5001) and echoes (port 5002)
 *	packets send ADDRESS SIZE RATE SECONDS COUNT    as many packets a second; RATE 0: all it can
 *	packets ping ADDRESS SIZE SECONDS               one packet at a time, there and back
 *
 * SIZE is that of the packet with its IP header.  COUNT is how many addresses, from ADDRESS on, get packets in no
 * order; 0 is one, which the socket is connected to.  Results are JSON.  `serve` prints what it has counted for every
 * line it reads; an f in that line makes it forget first.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
	COUNT_PORT = 5001,
	ECHO_PORT = 5002,
	BATCH = 64,
	ROOM = 2048,
	HEADERS = 28,      /* IPv4 and UDP */
	BUFFER = 4 << 20,  /* of a socket: so that losses are those of the tunnel */
	BURST_NS = 200000, /* what is due in this time goes out at once */
	LAG_NS = 1000000,  /* a sender that is later than this does not try to catch up */
	ROUNDS_MAX = 1 << 20,
};

static uint8_t rooms[BATCH][ROOM];

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void sleep_until(uint64_t when)
{
	struct timespec t = { .tv_sec = (time_t)(when / 1000000000), .tv_nsec = (long)(when % 1000000000) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

static int open_socket(uint16_t port)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), size = BUFFER;

	if (fd < 0)
		fail("socket");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		fail("socket buffer");
	if (port && bind(fd, (struct sockaddr *)&here, sizeof(here)))
		fail("bind");
	return fd;
}

static struct sockaddr_in parse(const char *address, uint16_t port)
{
	struct sockaddr_in there = { .sin_family = AF_INET, .sin_port = htons(port) };

	if (inet_pton(AF_INET, address, &there.sin_addr) != 1) {
		fprintf(stderr, "%s is no address\n", address);
		exit(2);
	}
	return there;
}

static int open_towards(const struct sockaddr_in *there)
{
	int fd = open_socket(0);

	if (connect(fd, (const struct sockaddr *)there, sizeof(*there)))
		fail("connect");
	return fd;
}

static size_t payload(const char *size)
{
	long bytes = strtol(size, NULL, 10);

	if (bytes < HEADERS + 8 || bytes > ROOM) {
		fprintf(stderr, "a packet has %d to %d bytes\n", HEADERS + 8, ROOM);
		exit(2);
	}
	return (size_t)bytes - HEADERS;
}

static void prepare(struct mmsghdr message[BATCH], struct iovec iov[BATCH], size_t len)
{
	memset(message, 0, sizeof(*message) * BATCH);
	for (int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ rooms[i], len };
		message[i].msg_hdr.msg_iov = &iov[i];
		message[i].msg_hdr.msg_iovlen = 1;
	}
}

static _Atomic uint64_t counted, first_at, last_at;

static void *count(void *argument)
{
	static struct mmsghdr message[BATCH];
	static struct iovec iov[BATCH];
	int fd = *(int *)argument;

	prepare(message, iov, ROOM);
	for (;;) {
		int got = recvmmsg(fd, message, BATCH, MSG_WAITFORONE, NULL);
		uint64_t now = now_ns();

		if (got < 0)
			continue; /* port unreachable of an echo nobody waited for */
		if (atomic_fetch_add(&counted, (uint64_t)got) == 0)
			atomic_store(&first_at, now);
		atomic_store(&last_at, now);
	}
	return NULL;
}

static void *echo(void *argument)
{
	static uint8_t room[ROOM];
	int fd = *(int *)argument;

	for (;;) {
		struct sockaddr_in from;
		socklen_t len = sizeof(from);
		ssize_t got = recvfrom(fd, room, sizeof(room), 0, (struct sockaddr *)&from, &len);

		if (got >= 0)
			sendto(fd, room, (size_t)got, 0, (struct sockaddr *)&from, len);
	}
	return NULL;
}

static int serve(void)
{
	static int count_fd, echo_fd;
	pthread_t thread;

	count_fd = open_socket(COUNT_PORT);
	echo_fd = open_socket(ECHO_PORT);
	if (pthread_create(&thread, NULL, count, &count_fd) || pthread_create(&thread, NULL, echo, &echo_fd))
		fail("thread");
	for (int c = getchar(); c != EOF; c = getchar()) {
		uint64_t first = atomic_load(&first_at), last = atomic_load(&last_at);

		if (c == 'f')
			atomic_store(&counted, 0);
		if (c != '\n')
			continue;
		printf("{\"received\": %llu, \"seconds\": %.9f}\n", (unsigned long long)atomic_load(&counted),
		       (double)(last - first) / 1e9);
		fflush(stdout);
	}
	return 0;
}

static int send_all(int fd, struct mmsghdr message[BATCH], int wanted)
{
	int done = 0;

	while (done < wanted) {
		int sent = sendmmsg(fd, message + done, (unsigned int)(wanted - done), 0);

		if (sent > 0)
			done += sent;
		else if (errno != ENOBUFS && errno != ECONNREFUSED && errno != EINTR)
			fail("sendmmsg");
	}
	return done;
}

static void address(struct mmsghdr message[BATCH], const struct sockaddr_in *first, uint32_t count)
{
	static struct sockaddr_in to[BATCH];
	static uint32_t state = 1;

	for (int i = 0; i < BATCH; i++) {
		state = state * 1664525 + 1013904223;
		to[i] = *first;
		to[i].sin_addr.s_addr = htonl(ntohl(first->sin_addr.s_addr) + (state >> 4) % count);
		message[i].msg_hdr.msg_name = &to[i];
		message[i].msg_hdr.msg_namelen = sizeof(to[i]);
	}
}

static int send_packets(const struct sockaddr_in *to, size_t len, double rate, double seconds, uint32_t count)
{
	struct mmsghdr message[BATCH];
	struct iovec iov[BATCH];
	int fd = count ? open_socket(0) : open_towards(to), batch = BATCH;
	uint64_t start = now_ns(), end = start + (uint64_t)(seconds * 1e9), due = start, now, sent = 0;

	prepare(message, iov, len);
	if (rate > 0 && rate * BURST_NS / 1e9 < BATCH)
		batch = rate * BURST_NS / 1e9 < 1 ? 1 : (int)(rate * BURST_NS / 1e9);
	for (now = start; now < end; now = now_ns()) {
		if (rate > 0) {
			if (now < due)
				sleep_until(due);
			else if (now - due > LAG_NS)
				due = now;
			due += (uint64_t)(batch / rate * 1e9);
		}
		if (count)
			address(message, to, count);
		sent += (uint64_t)send_all(fd, message, batch);
	}
	printf("{\"sent\": %llu, \"seconds\": %.9f}\n", (unsigned long long)sent,
	       (double)(now - start) / 1e9);
	return 0;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int ping(const struct sockaddr_in *to, size_t len, double seconds)
{
	static uint64_t times[ROUNDS_MAX];
	struct timeval patience = { .tv_usec = 100000 };
	int fd = open_towards(to);
	uint64_t start = now_ns(), end = start + (uint64_t)(seconds * 1e9), number = 0;
	size_t answered = 0, lost = 0;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	for (uint64_t at = now_ns(); at < end && answered < ROUNDS_MAX; at = now_ns()) {
		uint64_t back = 0;
		ssize_t got;

		number++;
		memcpy(rooms[0], &number, sizeof(number));
		if (send(fd, rooms[0], len, 0) < 0 && errno != ECONNREFUSED)
			fail("send");
		do { /* what came too late for its own turn is passed over */
			got = recv(fd, rooms[1], ROOM, 0);
			memcpy(&back, rooms[1], sizeof(back));
		} while (got >= 0 && back != number);
		if (got < 0)
			lost++;
		else
			times[answered++] = now_ns() - at;
	}
	qsort(times, answered, sizeof(*times), compare);
	if (!answered) {
		fprintf(stderr, "no answer\n");
		return 1;
	}
	printf("{\"answered\": %zu, \"lost\": %zu, \"p50_ns\": %llu, \"p99_ns\": %llu}\n", answered, lost,
	       (unsigned long long)times[answered / 2], (unsigned long long)times[answered * 99 / 100]);
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to;

	prctl(PR_SET_TIMERSLACK, 1UL);
	if (argc == 2 && !strcmp(argv[1], "serve"))
		return serve();
	if (argc == 7 && !strcmp(argv[1], "send")) {
		to = parse(argv[2], COUNT_PORT);
		return send_packets(&to, payload(argv[3]), atof(argv[4]), atof(argv[5]),
				    (uint32_t)strtoul(argv[6], NULL, 10));
	}
	if (argc == 5 && !strcmp(argv[1], "ping")) {
		to = parse(argv[2], ECHO_PORT);
		return ping(&to, payload(argv[3]), atof(argv[4]));
	}
	fprintf(stderr,
		"usage: packets serve | send ADDRESS SIZE RATE SECONDS COUNT | ping ADDRESS SIZE SECONDS\n");
	return 2;
}
