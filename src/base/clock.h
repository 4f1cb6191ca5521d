/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H
/*
 * The only source of time. Tests replace it by a clock that they advance.
 */
#include <stddef.h>
#include <stdint.h>

/* CLOCK_MONOTONIC, microseconds. Comparable between processes of one host. */
uint64_t clock_mono_us(void);
/* CLOCK_REALTIME, microseconds since 1970. */
uint64_t clock_wall_us(void);
/* From now on both clocks stand where *mono_us and *wall_us say; NULL undoes.
 */
void clock_set_fake(const uint64_t *mono_us, const uint64_t *wall_us);
/* IMF-fixdate ("Tue, 18 Nov 2025 10:00:00 GMT"), 30 bytes with NUL. */
#define CLOCK_HTTP_DATE_LEN 30
void clock_http_date(uint64_t wall_us, char out[CLOCK_HTTP_DATE_LEN]);
/* "2025-11-18T10:00:00.123Z", 25 bytes with NUL. */
#define CLOCK_ISO_LEN 25
void clock_iso(uint64_t wall_us, char out[CLOCK_ISO_LEN]);
#endif
