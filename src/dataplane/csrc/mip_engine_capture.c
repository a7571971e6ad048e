/* mip_engine_capture.c - arming captures, and ending them under running threads. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>

#include "mip_engine_parts.h"

enum { RINGS = MIP_THREADS * sizeof(struct mip_capture_ring) };

/* Of a fixed size: who gets the descriptor cannot take pages away under our threads. */
static int open_rings(struct mip_capture_ring **rings)
{
	int fd = memfd_create("mobileip-capture", MFD_CLOEXEC | MFD_ALLOW_SEALING), error;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, RINGS) == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0) {
		*rings = mmap(NULL, RINGS, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (*rings != MAP_FAILED)
			return fd;
		*rings = NULL;
	}
	error = -errno;
	close(fd);
	return error;
}

int mip_engine_capture(struct mip_engine *e, uint32_t address_be, uint32_t snap, int *fd)
{
	struct mip_capture capture = { .address_be = address_be, .snap = snap };
	int number = 0, error = 0;

	pthread_mutex_lock(&e->lock);
	while (number < MIP_CAPTURES && e->captures.capture[number].rings)
		number++;
	if (number == MIP_CAPTURES)
		error = -EBUSY;
	else
		*fd = error = open_rings(&capture.rings);
	if (error >= 0) {
		e->captures.capture[number] = capture;
		atomic_fetch_or(&e->captures.armed, 1u << number);
	}
	pthread_mutex_unlock(&e->lock);
	return error < 0 ? error : number;
}

void mip_engine_capture_end(struct mip_engine *e, int number)
{
	struct mip_capture *capture = &e->captures.capture[number];
	const uint32_t bit = 1u << number;

	/* Not under the lock, which a thread may need to finish its batch. */
	if (!(atomic_fetch_and(&e->captures.armed, ~bit) & bit))
		return;
	for (int d = 0; d < MIP_THREADS; d++)
		while (atomic_load(&e->worker[d].capturing) & bit)
			sched_yield();
	munmap(capture->rings, RINGS);
	pthread_mutex_lock(&e->lock);
	capture->rings = NULL;
	pthread_mutex_unlock(&e->lock);
}
