#define _GNU_SOURCE
#include "mip_links.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

int mip_links_open(struct mip_links *l, int stop_fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = MIP_LINK_MAX };

	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0 || epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, stop_fd, &event) < 0)
		return -errno;
	return 0;
}

void mip_links_close(struct mip_links *l)
{
	for (uint32_t i = 0; i < MIP_LINK_MAX; i++)
		if (l->link[i].ifindex)
			close(l->link[i].fd);
	if (l->epoll_fd >= 0)
		close(l->epoll_fd);
}

/* The link, opened if it was not; null and *error if it cannot be. */
static struct mip_link *open_link(struct mip_links *l, uint32_t ifindex, int *error)
{
	struct mip_link *unused = NULL;
	struct epoll_event event = { .events = EPOLLIN };
	enum mip_stage stage;
	int fd;

	for (uint32_t i = MIP_LINK_MAX; i-- > 0;) {
		if (l->link[i].ifindex == ifindex)
			return &l->link[i];
		if (l->link[i].ifindex == 0)
			unused = &l->link[i];
	}
	*error = -ENOSPC;
	if (!unused)
		return NULL;
	fd = mip_packet_open_link(ifindex, &stage);
	*error = fd;
	if (fd < 0)
		return NULL;
	event.data.u32 = (uint32_t)(unused - l->link);
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		*error = -errno;
		close(fd);
		return NULL;
	}
	*unused = (struct mip_link){ ifindex, fd };
	return unused;
}

/* Lets in what comes from the shared addresses of the link; closes it if there are none. */
static int refresh(struct mip_links *l, struct mip_link *link)
{
	uint32_t sources[MIP_SOURCES_MAX + 1], count = 0;

	for (uint32_t i = 0; i < l->shared.count && count <= MIP_SOURCES_MAX; i++) {
		uint32_t index = l->shared.items[i], home_be = l->stats->owners[index].home_be, known = 0;

		if (mip_place_read(&l->places[index]).ifindex != link->ifindex)
			continue;
		while (known < count && sources[known] != home_be)
			known++;
		sources[known] = home_be;
		count += known == count;
	}
	if (count > 0)
		return mip_packet_accept(link->fd, sources, count);
	close(link->fd);
	link->ifindex = 0;
	return 0;
}

int mip_links_add(struct mip_links *l, uint32_t index, const struct mip_spot *spot)
{
	int error = 0;
	struct mip_link *link = open_link(l, spot->ifindex, &error);
	struct mip_spot known = *spot;

	if (!link)
		return error;
	mip_list_add(&l->shared, index);
	error = mip_packet_address(link->fd, known.own);
	mip_place_write(&l->places[index], &known);
	if (!error)
		error = refresh(l, link);
	if (error)
		mip_links_remove(l, index);
	return error;
}

void mip_links_remove(struct mip_links *l, uint32_t index)
{
	uint32_t ifindex = mip_place_read(&l->places[index]).ifindex;

	if (!l->shared.place[index])
		return;
	mip_list_remove(&l->shared, index);
	for (uint32_t i = 0; i < MIP_LINK_MAX; i++)
		if (l->link[i].ifindex == ifindex)
			(void)refresh(
				l,
				&l->link[i]); /* a filter that lets in fewer cannot be refused for its length */
}
