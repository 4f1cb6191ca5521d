/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef CLIENT_BENCH_OBJECT_H
#define CLIENT_BENCH_OBJECT_H
/*
 * The objects that a benchmark sends: made once, and then stamped with a number
 * for each request, so that every one is new to a cache of digests without
 * being made, compressed or copied anew. Pure but for files that are read.
 */
#include <stdbool.h>
#include <sys/uio.h>

#include "base/buf.h"

#define BENCH_STAMP 16 /* bytes: the number in hexadecimal */
#define BENCH_MARKS 16 /* places in an object that depend on the number */
/* iovecs that bench_body_iov() may need */
#define BENCH_IOV (2 * BENCH_MARKS + 1)

enum bench_kind {
#define KIND(id, name, size, type, infected, text) BENCH_##id,
#include "client/bench_kinds.def"
	NBENCH_KINDS
};
enum bench_coding { BENCH_IDENTITY, BENCH_GZIP, BENCH_BR, BENCH_ZSTD };

/*
 * Bytes at `at` that depend on the number: the stamp itself, or the CRC-32 of
 * the data that begins with `lead` (`lead_len` bytes, the stamp among them at
 * `stamp_at`) and goes on with data whose CRC and length `crc` and `op` know.
 */
struct bench_mark {
	size_t at;
	bool is_crc;
	char lead[96];
	size_t lead_len, stamp_at;
	uint32_t crc, op;
};
struct bench_object {
	char *bytes;
	size_t len;
	const char *type;   /* Content-Type, static */
	const char *coding; /* Content-Encoding, static; "" for identity */
	bool infected;
	struct bench_mark marks[BENCH_MARKS]; /* by ascending place */
	size_t nmarks;
};
struct bench_objects {
	struct bench_object *all;
	size_t count;
};
/* An object as it is sent with a certain number. */
struct bench_body {
	const struct bench_object *object;
	char marks[BENCH_MARKS][BENCH_STAMP];
};

/*
 * Adds the objects of a spec (bench_kinds.def; "mix": 256 of lognormal sizes
 * with the median 10 KB; "file:PATH"), coded. The same for the same spec. 0,
 * or -1 with the reason in err.
 */
int bench_objects_add(struct bench_objects *set, const char *spec,
    enum bench_coding coding, struct buf *err);
void bench_objects_free(struct bench_objects *set);
/* "gzip", "br", "zstd", "identity"; -1 for others and those not built in. */
int bench_coding_parse(const char *word);
const char *bench_coding_name(enum bench_coding coding);
/* "random, html, ...": for messages. */
const char *bench_kind_names(void);

/* Body and number: from now on its bytes are known. */
void bench_body_set(
    struct bench_body *b, const struct bench_object *o, uint64_t number);
/* The bytes [at, at + len) as at most BENCH_IOV pieces; returns how many. */
size_t bench_body_iov(const struct bench_body *b, size_t at, size_t len,
    struct iovec iov[BENCH_IOV]);
/* Whether data is what stands at `at`. False also beyond the end. */
bool bench_body_is(const struct bench_body *b, size_t at, struct slice data);
/* All of it, as the network gets it. 0 or -1. */
int bench_body_copy(const struct bench_body *b, struct buf *out);

/* ---- for bench_object.c and bench_coded.c alone ---- */
/* A source of numbers that is the same everywhere. */
struct bench_dice {
	uint64_t state;
};
uint64_t bench_dice_next(struct bench_dice *d);
/* Bytes with a place for the stamp, before they are coded. */
struct bench_plain {
	struct buf data;
	size_t stamp_at;
};
/* Makes the object of plain bytes. All: 0, or -1 without memory. */
int bench_code(struct bench_object *o, const struct bench_plain *p,
    enum bench_coding coding);
/* An archive of these. */
int bench_zip(
    struct bench_object *o, const struct bench_plain *members, size_t count);
#endif
