#define _GNU_SOURCE
#include "mip_bpf.h"

#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int bpf(enum bpf_cmd command, union bpf_attr *attr)
{
	long got = syscall(SYS_bpf, command, attr, sizeof(*attr));

	return got < 0 ? -errno : (int)got;
}

static uint64_t pointer(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static int open_map(enum bpf_map_type type, uint32_t key_size, uint32_t value_size, uint32_t most,
		    uint32_t flags)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = type;
	attr.key_size = key_size;
	attr.value_size = value_size;
	attr.max_entries = most;
	attr.map_flags = flags;
	memcpy(attr.map_name, "mobileip", sizeof("mobileip"));
	return bpf(BPF_MAP_CREATE, &attr);
}

static int update(int fd, const void *key, const void *value)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)fd;
	attr.key = pointer(key);
	attr.value = pointer(value);
	return bpf(BPF_MAP_UPDATE_ELEM, &attr);
}

int mip_bpf_open_keys(uint32_t key_size, uint32_t most)
{
	return open_map(BPF_MAP_TYPE_HASH, key_size, sizeof(uint32_t), most, BPF_F_NO_PREALLOC);
}

int mip_bpf_add_key(int fd, const void *key)
{
	const uint32_t value = 1;

	return update(fd, key, &value);
}

int mip_bpf_remove_key(int fd, const void *key)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)fd;
	attr.key = pointer(key);
	return bpf(BPF_MAP_DELETE_ELEM, &attr);
}

int mip_bpf_open_sockets(uint32_t queues)
{
	return open_map(BPF_MAP_TYPE_XSKMAP, sizeof(uint32_t), sizeof(int), queues, 0);
}

int mip_bpf_set_socket(int fd, uint32_t queue, int socket_fd)
{
	return update(fd, &queue, &socket_fd);
}

int mip_bpf_load_xdp(const struct bpf_insn *code, uint32_t count)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_XDP;
	attr.expected_attach_type = BPF_XDP;
	attr.insns = pointer(code);
	attr.insn_cnt = count;
	attr.license = pointer("Apache-2.0");
	memcpy(attr.prog_name, "mobileip", sizeof("mobileip"));
	/* Frames in several buffers are not for it: a driver that has them refuses it, and the kernel runs it. */
	return bpf(BPF_PROG_LOAD, &attr);
}

int mip_bpf_attach_xdp(int program_fd, uint32_t ifindex, bool generic)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = (uint32_t)program_fd;
	attr.link_create.target_ifindex = ifindex;
	attr.link_create.attach_type = BPF_XDP;
	attr.link_create.flags = generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
	return bpf(BPF_LINK_CREATE, &attr);
}

/* BPF_TCX_EGRESS and BPF_F_BEFORE, which older kernel headers do not have. */
enum { TCX_EGRESS = 47, BEFORE_OTHERS = 1 << 3 };

int mip_bpf_load_tc(const struct bpf_insn *code, uint32_t count)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SCHED_CLS;
	attr.insns = pointer(code);
	attr.insn_cnt = count;
	attr.license = pointer("Apache-2.0");
	memcpy(attr.prog_name, "mobileip", sizeof("mobileip"));
	return bpf(BPF_PROG_LOAD, &attr);
}

int mip_bpf_attach_egress(int program_fd, uint32_t ifindex)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = (uint32_t)program_fd;
	attr.link_create.target_ifindex = ifindex;
	attr.link_create.attach_type = (enum bpf_attach_type)TCX_EGRESS;
	attr.link_create.flags = BEFORE_OTHERS;
	return bpf(BPF_LINK_CREATE, &attr);
}
