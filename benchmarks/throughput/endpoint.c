/*
 * endpoint.c - one end of a tunnel: the engine alone, without daemon or registration.
 *
 *	endpoint SIDE LOCAL REMOTE HOME ENCAPSULATION BINDINGS CHANGES
 *
 * SIDE is home or care-of; ENCAPSULATION ipip, gre or minimal.  BINDINGS is the number of tunnels in the table, that
 * of HOME among them, and CHANGES how many of the others change each second: taken out, put in, led elsewhere.
 * Says "ready" when packets can pass, and ends when its input does; then it says how many changes it made a second.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "mip_encap.h"
#include "mip_engine.h"

enum {
	UNDERLAY_MTU = 1500,
	OTHERS = 0x64400000,    /* 100.64.0.0: home addresses of the other tunnels */
	ELSEWHERE = 0xc6120000, /* 198.18.0.0: where they lead once they have changed */
	BATCH = 1024,
	PERIOD_NS = 1000000,
};

static void quit(const char *what, int error)
{
	fprintf(stderr, "endpoint: %s: %s\n", what, strerror(error));
	exit(1);
}

static uint32_t address(const char *text)
{
	struct in_addr a;

	if (inet_pton(AF_INET, text, &a) != 1)
		quit(text, EINVAL);
	return a.s_addr;
}

static void apply(struct mip_engine *e, const struct mip_change *changes, size_t count)
{
	size_t done, removed;
	int error = mip_engine_apply(e, changes, count, &done, &removed);

	if (error)
		quit("installing a tunnel", -error);
}

static struct mip_change other(const struct mip_tunnel *like, uint32_t number, uint32_t place)
{
	struct mip_change c = { .tunnel = *like };

	c.tunnel.home_be = htonl(OTHERS + number);
	if (place)
		c.tunnel.remote_be = htonl(ELSEWHERE + place);
	return c;
}

static void fill(struct mip_engine *e, const struct mip_tunnel *like, uint32_t others)
{
	static struct mip_change changes[BATCH];

	for (uint32_t done = 0; done < others;) {
		uint32_t count = others - done < BATCH ? others - done : BATCH;

		for (uint32_t i = 0; i < count; i++)
			changes[i] = other(like, done + i, 0);
		apply(e, changes, count);
		done += count;
	}
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/*
 * One call each, as registrations come: three kinds in turn, so that the table keeps its size.  Returns how many
 * were made a second.
 */
static double change(struct mip_engine *e, const struct mip_tunnel *like, uint32_t others,
		     uint32_t each_second)
{
	struct pollfd input = { .fd = 0, .events = POLLIN };
	struct timespec due;
	uint64_t made = 0, wanted = 0;
	uint32_t state = 1;
	double start = seconds();

	clock_gettime(CLOCK_MONOTONIC, &due);
	while (poll(&input, 1, each_second ? 0 : -1) == 0) {
		due.tv_nsec += PERIOD_NS;
		due.tv_sec += due.tv_nsec / 1000000000;
		due.tv_nsec %= 1000000000;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
		for (wanted += each_second; wanted >= 3000; wanted -= 3000) {
			struct mip_change c = other(like, (state >> 8) % others, 1 + (state >> 28));

			state = state * 1664525 + 1013904223;
			apply(e, &c, 1);
			c.remove = true;
			apply(e, &c, 1);
			c.remove = false;
			c.tunnel.remote_be = htonl(ELSEWHERE + 1 + (state >> 28));
			apply(e, &c, 1);
			made += 3;
		}
	}
	return (double)made / (seconds() - start);
}

static enum mip_encap encapsulation(const char *name)
{
	static const struct {
		const char *name;
		enum mip_encap encap;
	} all[] = { { "ipip", MIP_ENCAP_IPIP }, { "gre", MIP_ENCAP_GRE }, { "minimal", MIP_ENCAP_MINIMAL } };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (!strcmp(name, all[i].name))
			return (uint8_t)all[i].encap;
	quit(name, EINVAL);
	return 0;
}

int main(int argc, char **argv)
{
	struct mip_config config = { .device = "mip0", .icmp_rate = 100, .broadcast_rate = 10000 };
	enum mip_stage stage = MIP_STAGE_NONE;
	struct mip_change own = { 0 };
	struct mip_engine *e;
	uint32_t bindings, changes;
	double rate;
	int error;

	if (argc != 8) {
		fprintf(stderr, "usage: endpoint SIDE LOCAL REMOTE HOME ENCAPSULATION BINDINGS CHANGES\n");
		return 2;
	}
	prctl(PR_SET_TIMERSLACK, 1UL);
	own.tunnel.side = strcmp(argv[1], "home") ? MIP_CARE_OF : MIP_HOME;
	own.tunnel.local_be = address(argv[2]);
	own.tunnel.remote_be = address(argv[3]);
	own.tunnel.home_be = address(argv[4]);
	own.tunnel.encap = encapsulation(argv[5]);
	own.tunnel.flags = MIP_F_REVERSE;
	own.tunnel.mtu = own.tunnel.encap == MIP_ENCAP_IPIP  ? UNDERLAY_MTU - 20
			 : own.tunnel.encap == MIP_ENCAP_GRE ? UNDERLAY_MTU - 24
							     : UNDERLAY_MTU - 12;
	bindings = (uint32_t)strtoul(argv[6], NULL, 10);
	changes = (uint32_t)strtoul(argv[7], NULL, 10);
	if (!bindings || (changes && bindings == 1))
		quit("BINDINGS", ERANGE);
	config.mtu = own.tunnel.mtu;
	config.capacity = 1 << 21;
	error = mip_engine_open(&e, &config, &stage);
	if (error)
		quit(mip_stage_names[stage].meaning, -error);
	apply(e, &own, 1);
	fill(e, &own.tunnel, bindings - 1);
	error = mip_engine_start(e);
	if (error)
		quit("starting the threads", -error);
	puts("ready");
	fflush(stdout);
	rate = change(e, &own.tunnel, bindings - 1, changes);
	mip_engine_close(e);
	printf("%.0f\n", rate);
	return 0;
}
