/*
 * mip_bpf.h - the bpf system call, as far as AF_XDP needs it.
 *
 * Each returns a descriptor, or 0, or -errno.  A program stays attached as long as its link is open: it
 * is gone when the process is, however that ended.
 */
#ifndef MIP_BPF_H
#define MIP_BPF_H

#include <linux/bpf.h>

#include "mip.h"

/* A hash of keys, of which it only matters whether they are there. */
int mip_bpf_open_keys(uint32_t key_size, uint32_t most);
int mip_bpf_add_key(int fd, const void *key);
int mip_bpf_remove_key(int fd, const void *key);

/* AF_XDP sockets by queue. */
int mip_bpf_open_sockets(uint32_t queues);
int mip_bpf_set_socket(int fd, uint32_t queue, int socket_fd);

int mip_bpf_load_xdp(const struct bpf_insn *code, uint32_t count);
/* -EBUSY or -EEXIST: the interface has another program, which stays.  generic: in the kernel, not the driver. */
int mip_bpf_attach_xdp(int program_fd, uint32_t ifindex, bool generic);

/* On what leaves the interface, first of all (Linux 6.6). */
int mip_bpf_load_tc(const struct bpf_insn *code, uint32_t count);
int mip_bpf_attach_egress(int program_fd, uint32_t ifindex);

#endif
