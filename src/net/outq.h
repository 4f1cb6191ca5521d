/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef NET_OUTQ_H
#define NET_OUTQ_H
/*
 * What waits to be sent on a connection: bytes, and ranges of a spool between
 * them, so that a body is never copied on its way out of memory or a file.
 */
#include <sys/uio.h>

#include "base/buf.h"
#include "net/spool.h"

/* An answer with the largest encapsulated head (MaxHttpHead) fits. */
#define OUTQ_MAX_BYTES ((size_t)8 << 20)
#define OUTQ_ROOM ((size_t)1 << 19) /* with more there is no room */
#define OUTQ_MAX_RANGES 64

struct outq_range {
	const struct spool *spool; /* must outlive the range */
	uint64_t off, len;
	uint64_t after; /* absolute position in the bytes that precede it */
};
struct outq {
	struct buf bytes; /* append here directly */
	size_t head;      /* bytes already sent from the front of `bytes` */
	uint64_t base;    /* absolute position of bytes.p[0] */
	struct outq_range range[OUTQ_MAX_RANGES];
	unsigned int first, nranges;
};
void outq_init(struct outq *q);
void outq_free(struct outq *q);
/* 0, or -1 when there are OUTQ_MAX_RANGES already. */
int outq_add_range(struct outq *q, const struct spool *s, uint64_t off,
    uint64_t len) MUST_CHECK;
/* Room for another range and a chunk head. */
bool outq_has_room(const struct outq *q);
uint64_t outq_pending(const struct outq *q);
/*
 * What comes next: up to max iovecs of memory (returns their number), and then,
 * or at once (0), the range of a file, if fd of *file is not -1.
 */
struct outq_file {
	int fd;
	uint64_t off, len;
};
int outq_next(
    const struct outq *q, struct iovec *iov, int max, struct outq_file *file);
/* n bytes of what outq_next() gave were sent: it must be asked again. */
void outq_sent(struct outq *q, uint64_t n);
#endif
