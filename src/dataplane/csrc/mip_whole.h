/*
 * mip_whole.h - the program that tells the kernel of a tunnelled super-packet what it is.
 *
 * A packet socket can send a super-packet of TCP, which the kernel or the card cuts, but not one inside an
 * outer header: for that there is no word in struct virtio_net_hdr.  So the program, where packets leave the
 * interface, takes the outer header off what our socket sends, and puts it on again as an encapsulation.
 */
#ifndef MIP_WHOLE_H
#define MIP_WHOLE_H

#include <linux/bpf.h>

#include "mip.h"

enum { MIP_WHOLE_MAX = 40 };

/* Writes the program into code; how many instructions it has.  cookie: of the socket whose packets it is for. */
uint32_t mip_whole_program(struct bpf_insn code[MIP_WHOLE_MAX], uint64_t cookie);

/*
 * A packet socket that sends frames behind MIP_OFFLOAD_HEADER bytes by the interface, and with it, in *link_fd, the
 * program; or -errno, and then neither.
 */
int mip_whole_open(uint32_t ifindex, int *link_fd);

#endif
