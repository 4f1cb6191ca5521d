/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "net/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/idgen.h"
#include "base/list.h"
#include "base/log.h"
#include "base/metrics.h"

#define INLINE_FIRST ((size_t)4096)
/* Small bodies may go over the memory budget by this part of it. */
#define INLINE_RESERVE 8

enum kind { KIND_INLINE, KIND_MEMFD, KIND_FILE };

struct spool {
	TAILQ_ENTRY(spool) wait_link;
	struct spool_pool *pool;
	void (*wake)(void *ctx);
	void *ctx;
	enum kind kind;
	uint64_t size;
	char *mem;       /* inline bytes, or the mapping of the memfd */
	size_t cap;      /* of inline bytes */
	int fd, read_fd; /* memfd; file read-write, and read-only to lend */
	bool waiting, finished;
	bool large; /* said to outgrow memory */
};
TAILQ_HEAD(spool_list, spool);

struct spool_pool {
	int dir_fd;
	uint64_t max_memory, max_disk, memory, disk;
	struct spool_list waiting; /* oldest first */
	unsigned int spools;
	uint64_t bodies, max_bodies; /* that have descriptors */
	bool few_said;
	bool waking;
};

struct spool_pool *
spool_pool_new(int dir_fd, uint64_t max_memory, uint64_t max_disk)
{
	struct spool_pool *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		if (dir_fd != -1)
			(void)close(dir_fd);
		return NULL;
	}
	p->dir_fd = dir_fd;
	p->max_memory = max_memory;
	p->max_disk = max_disk;
	p->max_bodies = UINT64_MAX;
	TAILQ_INIT(&p->waiting);
	return p;
}

void
spool_pool_free(struct spool_pool **p)
{
	if (*p == NULL)
		return;
	CHECK((*p)->spools == 0);
	if ((*p)->dir_fd != -1)
		(void)close((*p)->dir_fd);
	free(*p);
	*p = NULL;
}

void
spool_pool_limits(struct spool_pool *p, uint64_t max_memory, uint64_t max_disk)
{
	p->max_memory = max_memory;
	p->max_disk = max_disk;
}

void
spool_pool_bodies(struct spool_pool *p, uint64_t max)
{
	p->max_bodies = max;
	p->few_said = false;
}

uint64_t
spool_pool_memory(const struct spool_pool *p)
{
	return p->memory;
}

uint64_t
spool_pool_disk(const struct spool_pool *p)
{
	return p->disk;
}

/* ---- budgets ---- */

static bool
memory_has(const struct spool_pool *p, uint64_t more, bool small)
{
	uint64_t max = p->max_memory;

	if (small)
		max += max / INLINE_RESERVE + SPOOL_INLINE_MAX;
	return more <= max && p->memory <= max - more;
}

static bool
disk_has(const struct spool_pool *p, uint64_t more)
{
	return p->dir_fd != -1 && more <= p->max_disk &&
	       p->disk <= p->max_disk - more;
}

static void
charge_memory(struct spool_pool *p, uint64_t more)
{
	p->memory += more;
	METRIC_SET(spool_memory_bytes, p->memory);
}

static void
charge_disk(struct spool_pool *p, uint64_t more)
{
	p->disk += more;
	METRIC_SET(spool_disk_bytes, p->disk);
}

static void
stop_waiting(struct spool *s)
{
	if (!s->waiting)
		return;
	TAILQ_REMOVE(&s->pool->waiting, s, wait_link);
	s->waiting = false;
}

/*
 * Space has become free: the oldest waiter tries again; if it still does not
 * fit it has put itself back to the end, and that is all for now.
 */
static void
wake_waiting(struct spool_pool *p)
{
	struct spool *s;
	unsigned int n = 0;

	if (p->waking)
		return;
	p->waking = true;
	TAILQ_FOREACH (s, &p->waiting, wait_link)
		n++;
	while (n-- > 0 && (s = TAILQ_FIRST(&p->waiting)) != NULL) {
		stop_waiting(s);
		s->wake(s->ctx);
		if (TAILQ_FIRST(&p->waiting) == s ||
		    (!memory_has(p, 1, false) && !disk_has(p, 1)))
			break;
	}
	p->waking = false;
}

void
spool_pool_charge(struct spool_pool *p, uint64_t bytes)
{
	charge_memory(p, bytes);
}

void
spool_pool_discharge(struct spool_pool *p, uint64_t bytes)
{
	CHECK(bytes <= p->memory);
	p->memory -= bytes;
	METRIC_SET(spool_memory_bytes, p->memory);
	if (bytes > 0)
		wake_waiting(p);
}

bool
spool_pool_has_memory(const struct spool_pool *p)
{
	return p->memory < p->max_memory;
}

/* ---- kinds ---- */

/* Only the mapping can write from now on: the worker gets the descriptor. */
static int
seal(int fd)
{
	return fcntl(fd, F_ADD_SEALS,
	    F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}

static int
make_memfd(struct spool *s)
{
	int fd = memfd_create("body", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *map = MAP_FAILED;

	if (fd == -1)
		return -1;
	if (ftruncate(fd, (off_t)SPOOL_MEMFD_MAX) == 0)
		map = mmap(NULL, SPOOL_MEMFD_MAX, PROT_READ | PROT_WRITE,
		    MAP_SHARED, fd, 0);
	if (map == MAP_FAILED || seal(fd) == -1) {
		if (map != MAP_FAILED)
			(void)munmap(map, SPOOL_MEMFD_MAX);
		(void)close(fd);
		return -1;
	}
	if (s->size > 0)
		memcpy(map, s->mem, (size_t)s->size);
	free(s->mem);
	s->mem = map;
	s->cap = SPOOL_MEMFD_MAX;
	s->fd = fd;
	s->kind = KIND_MEMFD;
	s->pool->bodies++;
	return 0;
}

/* Where the file system has no O_TMPFILE: a name for a moment. */
static int
open_named(int dir_fd, int *read_fd)
{
	char name[IDGEN_LEN + 8] = "tolsey-";
	int fd;

	idgen_next(name + 7);
	fd = openat(dir_fd, name,
	    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1)
		return -1;
	*read_fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	(void)unlinkat(dir_fd, name, 0);
	if (*read_fd == -1) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

static int
open_file(int dir_fd, int *read_fd)
{
	char path[40];
	int fd = openat(dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd == -1)
		return errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT
			   ? open_named(dir_fd, read_fd)
			   : -1;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	*read_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (*read_fd == -1) {
		(void)close(fd);
		return open_named(dir_fd, read_fd);
	}
	return fd;
}

static int
write_all(int fd, const char *p, size_t len, uint64_t off)
{
	ssize_t n;

	while (len > 0) {
		n = pwrite(fd, p, len, (off_t)off);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0) {
			if (n == 0)
				errno = ENOSPC;
			return -1;
		}
		p += n;
		len -= (size_t)n;
		off += (uint64_t)n;
	}
	return 0;
}

static void
drop_memory(struct spool *s)
{
	if (s->kind == KIND_INLINE)
		free(s->mem);
	else if (s->kind == KIND_MEMFD) {
		(void)munmap(s->mem, SPOOL_MEMFD_MAX);
		(void)close(s->fd);
	}
	if (s->kind != KIND_FILE) {
		s->pool->memory -= s->size;
		METRIC_SET(spool_memory_bytes, s->pool->memory);
	}
	s->mem = NULL;
	s->cap = 0;
	s->fd = -1;
}

static int
make_file(struct spool *s)
{
	int read_fd = -1, fd;

	if (s->pool->dir_fd == -1) {
		errno = ENOSPC;
		return -1;
	}
	if ((fd = open_file(s->pool->dir_fd, &read_fd)) == -1)
		return -1;
	if (write_all(fd, s->mem, (size_t)s->size, 0) == -1) {
		int saved = errno;

		(void)close(fd);
		(void)close(read_fd);
		errno = saved;
		return -1;
	}
	drop_memory(s);
	s->pool->bodies += s->kind == KIND_INLINE;
	s->kind = KIND_FILE;
	s->fd = fd;
	s->read_fd = read_fd;
	charge_disk(s->pool, s->size);
	return 0;
}

/* ---- writing ---- */

struct spool *
spool_new(struct spool_pool *p, void (*wake)(void *ctx), void *ctx)
{
	struct spool *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->pool = p;
	s->wake = wake;
	s->ctx = ctx;
	s->fd = s->read_fd = -1;
	p->spools++;
	return s;
}

void
spool_free(struct spool **sp)
{
	struct spool *s = *sp;
	struct spool_pool *p;

	if (s == NULL)
		return;
	*sp = NULL;
	p = s->pool;
	stop_waiting(s);
	p->bodies -= s->kind != KIND_INLINE;
	if (s->kind == KIND_FILE) {
		p->disk -= s->size;
		METRIC_SET(spool_disk_bytes, p->disk);
		(void)close(s->fd);
		(void)close(s->read_fd);
	} else {
		drop_memory(s);
	}
	p->spools--;
	free(s);
	wake_waiting(p);
}

void
spool_expect(struct spool *s, uint64_t len)
{
	s->large = len > SPOOL_MEMFD_MAX;
}

static enum spool_rc
wait_for_space(struct spool *s)
{
	if (s->waiting)
		return SPOOL_WAIT;
	/* one that was just woken in vain keeps its place */
	if (s->pool->waking)
		TAILQ_INSERT_HEAD(&s->pool->waiting, s, wait_link);
	else
		TAILQ_INSERT_TAIL(&s->pool->waiting, s, wait_link);
	s->waiting = true;
	return SPOOL_WAIT;
}

/* For each body that has one the others are counted on as well. */
static bool
may_have_descriptors(const struct spool *s)
{
	return s->kind != KIND_INLINE || s->pool->bodies < s->pool->max_bodies;
}

static enum spool_rc
wait_for_descriptors(struct spool *s)
{
	if (!s->pool->few_said)
		log_warn("no-descriptors",
		    "bodies=%llu remedy=\"raise the limit of open files "
		    "(ulimit -n, LimitNOFILE)\"",
		    (unsigned long long)s->pool->bodies);
	s->pool->few_said = true;
	METRIC_INC(descriptors_exhausted_total);
	return wait_for_space(s);
}

static bool
is_shortage(int error)
{
	return error == EMFILE || error == ENFILE;
}

static int
grow_inline(struct spool *s, size_t want)
{
	size_t cap = s->cap > 0 ? s->cap : INLINE_FIRST;
	char *p;

	while (cap < want)
		cap *= 2;
	if (cap == s->cap)
		return 0;
	if ((p = realloc(s->mem, cap)) == NULL)
		return -1;
	s->mem = p;
	s->cap = cap;
	return 0;
}

static enum spool_rc
write_memory(struct spool *s, const void *data, size_t len)
{
	memcpy(s->mem + s->size, data, len);
	s->size += len;
	charge_memory(s->pool, len);
	return SPOOL_OK;
}

static enum spool_rc
write_file(struct spool *s, const void *data, size_t len)
{
	if (!disk_has(s->pool, len))
		return wait_for_space(s);
	if (write_all(s->fd, data, len, s->size) == -1)
		return SPOOL_ERROR;
	s->size += len;
	charge_disk(s->pool, len);
	return SPOOL_OK;
}

/* Memory is used up, or the body is too large for it: on to the disk. */
static enum spool_rc
spill(struct spool *s, const void *data, size_t len)
{
	if (!disk_has(s->pool, s->size + len)) {
		if (s->pool->dir_fd != -1)
			return wait_for_space(s);
		/* no disk at all: only memory can become free */
		if (s->size + len <= SPOOL_MEMFD_MAX)
			return wait_for_space(s);
		errno = ENOSPC;
		return SPOOL_ERROR;
	}
	if (make_file(s) == -1)
		return is_shortage(errno) ? wait_for_descriptors(s)
					  : SPOOL_ERROR;
	return write_file(s, data, len);
}

static bool
stays_inline(const struct spool *s, uint64_t want)
{
	return s->kind == KIND_INLINE && want <= SPOOL_INLINE_MAX &&
	       memory_has(s->pool, want - s->size, true);
}

enum spool_rc
spool_write(struct spool *s, const void *data, size_t len)
{
	uint64_t want = s->size + len;

	CHECK(!s->finished);
	if (len == 0)
		return SPOOL_OK;
	if (s->kind == KIND_FILE)
		return write_file(s, data, len);
	if (!stays_inline(s, want) && !may_have_descriptors(s))
		return wait_for_descriptors(s);
	if (want > SPOOL_MEMFD_MAX ||
	    (s->large && want > SPOOL_INLINE_MAX && s->kind == KIND_INLINE &&
		disk_has(s->pool, want)) ||
	    !memory_has(s->pool, len, want <= SPOOL_INLINE_MAX))
		return spill(s, data, len);
	if (want <= SPOOL_INLINE_MAX && s->kind == KIND_INLINE) {
		if (grow_inline(s, (size_t)want) == -1)
			return SPOOL_ERROR;
	} else if (s->kind == KIND_INLINE && make_memfd(s) == -1) {
		return spill(s, data, len);
	}
	return write_memory(s, data, len);
}

void *
spool_window(struct spool *s, size_t *len)
{
	uint64_t room;

	if (s->kind != KIND_MEMFD || s->finished)
		return NULL;
	room = SPOOL_MEMFD_MAX - s->size;
	if (*len > room)
		*len = (size_t)room;
	if (*len == 0 || !memory_has(s->pool, *len, false))
		return NULL;
	return s->mem + s->size;
}

void
spool_wrote(struct spool *s, size_t n)
{
	CHECK(s->kind == KIND_MEMFD && n <= SPOOL_MEMFD_MAX - s->size);
	s->size += n;
	charge_memory(s->pool, n);
}

uint64_t
spool_size(const struct spool *s)
{
	return s->size;
}

int
spool_finish(struct spool *s)
{
	s->finished = true;
	stop_waiting(s);
	return 0;
}

/* ---- reading ---- */

const void *
spool_data(const struct spool *s)
{
	if (s->kind == KIND_FILE)
		return NULL;
	return s->mem != NULL ? s->mem : "";
}

int
spool_lend(const struct spool *s)
{
	if (s->kind == KIND_INLINE)
		return -1;
	return s->kind == KIND_MEMFD ? s->fd : s->read_fd;
}

ssize_t
spool_pread(const struct spool *s, void *dst, size_t len, uint64_t off)
{
	if (off >= s->size)
		return 0;
	if (len > s->size - off)
		len = (size_t)(s->size - off);
	if (s->kind == KIND_FILE)
		return pread(s->fd, dst, len, (off_t)off);
	memcpy(dst, s->mem + off, len);
	return (ssize_t)len;
}

int
spool_file(const struct spool *s)
{
	return s->kind == KIND_FILE ? s->fd : -1;
}
