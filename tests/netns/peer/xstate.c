/*
 * xstate.c - preloaded into user-mode Linux: lets it run on processors with more registers than it knows.
 *
 * It sets the floating-point registers of its processes from a buffer of 832 bytes: x87, SSE and AVX. Where there is
 * AVX-512 or AMX the host's kernel refuses that (EFAULT), because it wants all of the state, and user-mode Linux
 * panics. The rest is then filled in with what the process has. It is not exchanged when a signal interrupts the
 * process, so programs in there must not use these registers (peer.py tells the C library).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

enum {
	XSTATE = 0x202, /* NT_X86_XSTATE */
	HEADER = 512,   /* where the bit map of the components in use is */
	KNOWN = 7,      /* its bits of x87, SSE and AVX */
	LARGEST = 16384,
};

typedef long ptrace_function(int request, ...);

static long set_all(ptrace_function *real, int request, long pid, const struct iovec *part)
{
	static __thread uint8_t state[LARGEST] __attribute__((aligned(64)));
	struct iovec all = { state, sizeof(state) };
	uint64_t wanted, present;

	if (part->iov_len < HEADER + sizeof(wanted) || real(PTRACE_GETREGSET, pid, XSTATE, &all) < 0)
		return -1;
	memcpy(&present, state + HEADER, sizeof(present));
	memcpy(&wanted, (const uint8_t *)part->iov_base + HEADER, sizeof(wanted));
	memcpy(state, part->iov_base, part->iov_len < all.iov_len ? part->iov_len : all.iov_len);
	wanted = (wanted & KNOWN) | (present & ~(uint64_t)KNOWN);
	memcpy(state + HEADER, &wanted, sizeof(wanted));
	return real(request, pid, XSTATE, &all);
}

long ptrace(enum __ptrace_request request, ...)
{
	static ptrace_function *real;
	long pid, address, result;
	void *data;
	va_list arguments;

	va_start(arguments, request);
	pid = va_arg(arguments, int);
	address = va_arg(arguments, long);
	data = va_arg(arguments, void *);
	va_end(arguments);
	if (!real)
		real = (ptrace_function *)dlsym(RTLD_NEXT, "ptrace");
	result = real((int)request, pid, address, data);
	if (result < 0 && errno == EFAULT && request == PTRACE_SETREGSET && address == XSTATE)
		result = set_all(real, (int)request, pid, data);
	return result;
}
