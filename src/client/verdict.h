/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef CLIENT_VERDICT_H
#define CLIENT_VERDICT_H
/* What the answer of a server means. Pure. */
#include "client/request.h"
#include "proto/icap_answer.h"

enum verdict {
#define VERDICT(id, word, shown, status, count) VERDICT_##id,
#include "client/verdicts.def"
#undef VERDICT
	NVERDICTS
};
enum sameness { SAME_UNKNOWN, SAME_YES, SAME_NO };

#define THREAT_LEN 257
#define DETAIL_LEN 512

/* All that is known of one object, for text and JSON. */
struct result {
	const char *name;
	enum verdict verdict;
	char threat[THREAT_LEN]; /* "" when none was named */
	char detail[DETAIL_LEN]; /* why: of ERROR, BLOCKED, SKIPPED */
	int icap_status;         /* 0: no answer */
	int http_status;         /* of an encapsulated response, else 0 */
	char istag[48];
	uint64_t size, sent, received; /* bytes of bodies */
	bool got_100, ieof, has_preview, reused, retried;
	uint64_t preview;
	enum sameness body_same, head_same; /* of what came back */
	/* microseconds: 0 when it did not come to it */
	uint64_t connect_us, tls_us, first_byte_us, total_us;
	struct buf heads; /* as received, for --verbose */
};

const char *verdict_word(enum verdict v);
const char *verdict_shown(enum verdict v);
const char *verdict_count(enum verdict v);
/* Of many objects: 1 when something was found or blocked, else 2 for errors.
 */
int verdict_exit(const uint64_t counts[NVERDICTS]);

/*
 * Fills verdict, threat, detail, statuses and ISTag from a final head, before
 * its body. allow_204: 204 is permitted. What is left CLEAN of a 200 is only
 * so if the body comes back the same: verdict_end().
 */
void verdict_head(struct result *r, const struct icap_answer *a,
    const struct request *q, const struct client_options *o, bool allow_204);
/* After the whole answer, with body_same and trailers known. */
void verdict_end(struct result *r, const struct icap_answer *a,
    const struct client_options *o);
/* Makes it an error. */
void verdict_error(struct result *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* What to do about a status; "" when there is nothing to say. */
const char *verdict_advice(int icap_status);
#endif
