/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "ipc/progress.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct page {
	_Atomic uint64_t at_us, scan_id; /* the time is written first */
};
struct progress {
	struct page *page;
};

static struct progress *
map(int fd, int prot)
{
	struct progress *p = malloc(sizeof(*p));
	void *page;

	if (p == NULL)
		return NULL;
	page = mmap(NULL, sizeof(*p->page), prot, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED) {
		free(p);
		return NULL;
	}
	p->page = page;
	return p;
}

struct progress *
progress_new(int *fd)
{
	struct progress *p = NULL;

	*fd = memfd_create("progress", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd < 0)
		return NULL;
	/* of a file that was cut every look would end net */
	if (ftruncate(*fd, sizeof(struct page)) == 0 &&
	    fcntl(*fd, F_ADD_SEALS,
		F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		p = map(*fd, PROT_READ);
	if (p == NULL)
		(void)close(*fd);
	return p;
}

struct progress *
progress_open(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0 || st.st_size < (off_t)sizeof(struct page))
		return NULL;
	return map(fd, PROT_READ | PROT_WRITE);
}

void
progress_free(struct progress **pp)
{
	struct progress *p = *pp;

	if (p == NULL)
		return;
	*pp = NULL;
	(void)munmap(p->page, sizeof(*p->page));
	free(p);
}

void
progress_begin(struct progress *p, uint64_t scan_id, uint64_t at_us)
{
	atomic_store_explicit(&p->page->at_us, at_us, memory_order_relaxed);
	atomic_store_explicit(&p->page->scan_id, scan_id, memory_order_release);
}

uint64_t
progress_begun(const struct progress *p, uint64_t *at_us)
{
	uint64_t id =
	    atomic_load_explicit(&p->page->scan_id, memory_order_acquire);

	*at_us = atomic_load_explicit(&p->page->at_us, memory_order_relaxed);
	return id;
}
