/*
 * mip_redirect.h - the XDP program that takes our tunnels' datagrams out of what an interface receives.
 *
 * It redirects to the AF_XDP socket of the queue only whole IPv4 datagrams without options
 * that fit into a frame, whose source, destination and protocol are in a map: those that
 * the other end of a tunnel of ours sends to us.  Everything else, and what comes by a queue without a socket,
 * passes on to the kernel: fragments to be reassembled, options, others' tunnels, also those through
 * this host or of this host.  Written as instructions: no compiler is needed where it runs.
 */
#ifndef MIP_REDIRECT_H
#define MIP_REDIRECT_H

#include <linux/bpf.h>

#include "mip.h"

/* A key of the map; what it leads to does not matter.  All in network byte order. */
struct mip_redirect_key {
	uint32_t source_be, destination_be;
	uint32_t protocol; /* a number of one byte */
};

enum { MIP_REDIRECT_MAX = 64 };

/* Writes the program into code; how many instructions it has. */
uint32_t mip_redirect_program(struct bpf_insn code[MIP_REDIRECT_MAX], int keys_fd, int sockets_fd);

#endif
