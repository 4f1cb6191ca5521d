/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef NET_SPOOL_H
#define NET_SPOOL_H
/*
 * Where bodies wait: in plain memory up to SPOOL_INLINE_MAX, then in a memfd
 * (created sparse, mapped, sealed against other writers), then, above
 * SPOOL_MEMFD_MAX or when the pool's memory is used up, in a file without a
 * name in the spool directory. The pool holds the budgets of a net process.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/check.h"

/* What fits into a message to a worker: to make, map and fill a memfd costs
 * more than two copies; larger messages need memory in one piece of the kernel.
 */
#define SPOOL_INLINE_MAX 65536
#define SPOOL_MEMFD_MAX ((uint64_t)16 << 20)

struct spool_pool;
struct spool;

/* dir_fd: the spool directory (taken over), -1 = no disk. */
struct spool_pool *spool_pool_new(
    int dir_fd, uint64_t max_memory, uint64_t max_disk);
void spool_pool_free(struct spool_pool **p); /* all spools must be gone */
void spool_pool_limits(
    struct spool_pool *p, uint64_t max_memory, uint64_t max_disk);
/*
 * So many bodies may have descriptors at a time (at first any number); the
 * others wait as for memory.
 */
void spool_pool_bodies(struct spool_pool *p, uint64_t max);
uint64_t spool_pool_memory(const struct spool_pool *p);
uint64_t spool_pool_disk(const struct spool_pool *p);

/*
 * Memory that is no body, but counts as such: heads that are being received,
 * bytes that wait to be sent. It is never refused; whoever can wait asks first.
 */
void spool_pool_charge(struct spool_pool *p, uint64_t bytes);
void spool_pool_discharge(struct spool_pool *p, uint64_t bytes);
bool spool_pool_has_memory(const struct spool_pool *p);

enum spool_rc {
	SPOOL_OK,
	SPOOL_WAIT, /* no space now: nothing was taken, wake() will be called */
	SPOOL_ERROR /* errno: ENOSPC, EIO ...: this body cannot be stored */
};
/*
 * wake(ctx) is called, oldest waiter first, when space has become free for a
 * spool that was told SPOOL_WAIT. NULL when out of memory.
 */
struct spool *spool_new(
    struct spool_pool *p, void (*wake)(void *ctx), void *ctx);
void spool_free(struct spool **s);
/*
 * So long the body is said to become. One that would outgrow memory goes to its
 * file as soon as it is no longer inline, instead of being copied there at
 * once: 16 MiB take 10 ms, in which nobody else is served. Only a hint.
 */
void spool_expect(struct spool *s, uint64_t len);
/* Appends all of it, or nothing. */
enum spool_rc spool_write(struct spool *s, const void *data, size_t len);
/*
 * For receiving straight into place: where up to *len (in: wanted) bytes may
 * be written, NULL when this spool is a file or still inline. Then
 * spool_wrote(n).
 */
void *spool_window(struct spool *s, size_t *len);
void spool_wrote(struct spool *s, size_t n);
uint64_t spool_size(const struct spool *s);
/* No more writes. 0, or -1 with errno. */
int spool_finish(struct spool *s) MUST_CHECK;
/* The whole body in this process's memory, NULL when it is a file. */
const void *spool_data(const struct spool *s);
/*
 * A descriptor for another process, which can only read through it (a sealed
 * memfd, which is longer than the body, or the file opened read-only). It
 * stays the spool's. -1 when the body
 * is inline (then spool_data() is sent).
 */
int spool_lend(const struct spool *s);
/* Reads at an offset, whatever the kind. Bytes read, 0 at the end, -1. */
ssize_t spool_pread(const struct spool *s, void *dst, size_t len, uint64_t off);
/* For sendfile with an explicit offset: the file, -1 when it is memory. */
int spool_file(const struct spool *s);
#endif
