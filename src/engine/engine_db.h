/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef ENGINE_ENGINE_DB_H
#define ENGINE_ENGINE_DB_H
/*
 * The signature files of one load: which they are, their canonical digest, and
 * whether they stayed the same meanwhile. And tolsey's own signatures.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

struct dbset;

/*
 * Opens every signature file of the folder (or the one file). NULL and err;
 * errno is ENOENT when one went away meanwhile.
 */
struct dbset *dbset_open(const char *path, char *err, size_t errlen);
void dbset_free(struct dbset **s);
/*
 * For the words when something may not be read. Before the process is
 * confined; it reads files of the system.
 */
void db_remember_account(void);
/* Whether the path still holds the files that were opened, unchanged. */
bool dbset_same(const struct dbset *s);
/*
 * "main 62, daily 27780, 3 other files" and the digest: the same for equal
 * sets whatever their place, packing (.cvd, .cld) and times. 0 or -1.
 */
int dbset_describe(const struct dbset *s, char *text, size_t textlen,
    unsigned char digest[HASH_LEN]) MUST_CHECK;
/*
 * When the signatures were made: daily by its head, without one the newest
 * container, without any the newest file; and daily's version, 0: none.
 */
void dbset_age(const struct dbset *s, uint64_t *built_wall_us, uint32_t *daily);

/* Reads the rows that except files by their hash. */
struct allow;
void dbset_read_allow(const struct dbset *s, struct allow *a);

/* Writes tolsey's own signatures, the canary or the small set, into dir. */
int db_write_canary(const char *dir, char *path, size_t pathlen) MUST_CHECK;
int db_write_embedded(const char *dir, char *path, size_t pathlen) MUST_CHECK;
/* Removes what they wrote. */
void db_remove_own(const char *dir);
/* Hash of tolsey's own signatures. */
int db_own_digest(unsigned char digest[HASH_LEN]) MUST_CHECK;
/* The bytes that the canary matches, and EICAR's. Lengths in bytes. */
#define DB_CANARY_LEN 32
#define DB_EICAR_LEN 68
void db_canary_bytes(unsigned char out[DB_CANARY_LEN]);
void db_eicar_bytes(unsigned char out[DB_EICAR_LEN]);
#define DB_CANARY_NAME "Tolsey.Canary"
#endif
