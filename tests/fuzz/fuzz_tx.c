/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * A whole connection with a clock and a worker that the input plays: bytes of
 * any kind, answers, deaths and time come in any order. Whatever happens, no
 * process-wide book is left open, and a body goes out only after an answer
 * that it is clean.
 *
 * The input: a byte that chooses settings, then steps. A step is a byte:
 * its low three bits say what, the rest how much.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/tx_world.h"

/* Longer than all that may go out before a verdict. */
#define SECRET "THE-GOODS-THAT-ARE-HELD-UNTIL-THEY-ARE-JUDGED"

static const char *const settings[][8] = {
	{ "TrickleMax 8", NULL },
	{ "TrickleMax 8", "TrickleAfter 100ms", "StallPoke 50ms", "HoldBack 1",
	    NULL },
	{ "TrickleMax 8", "ScanPreview off", "MaxObjectSize 40",
	    "RetryFailedScan on", NULL },
	{ "TrickleMax 8", "SpoolMemory 64K", "SpoolSize 0", "Allow206 on",
	    NULL },
};

/* What a client says, in pieces that fit together now and then. */
static const char *const pieces[] = {
	"RESPMOD icap://h/avscan ICAP/1.0\r\nHost: h\r\n",
	"REQMOD icap://h/avscan ICAP/1.0\r\nHost: h\r\n",
	"OPTIONS icap://h/avscan ICAP/1.0\r\nHost: h\r\n\r\n",
	"Preview: 4\r\n",
	"Preview: 0\r\n",
	"Allow: 204\r\n",
	"Allow: trailers\r\n",
	"Allow: 204, 206, trailers\r\n",
	"Connection: close\r\n",
	"Encapsulated: res-hdr=0, res-body=19\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
	"Encapsulated: res-hdr=0, res-body=39\r\n\r\nHTTP/1.1 200 OK\r\n"
	"Content-Length: 45\r\n\r\n",
	"Encapsulated: req-hdr=0, req-body=40\r\n\r\nPUT / HTTP/1.1\r\n"
	"Host: x\r\nX-Test: edit\r\n\r\n",
	"Encapsulated: res-hdr=0, null-body=19\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
	"Encapsulated: res-body=0\r\n\r\n",
	"4\r\nabcd\r\n",
	"2d\r\n" SECRET "\r\n",
	"5a\r\n" SECRET SECRET "\r\n",
	"0\r\n\r\n",
	"0; ieof\r\n\r\n",
	"0\r\nX: y\r\n\r\n",
};

static void
answer(struct world *w, unsigned int n, bool *judged)
{
	static const enum outcome reasons[] = { OUTCOME_FAILED, OUTCOME_LIMIT,
		OUTCOME_TIMEOUT, OUTCOME_UNDECODABLE };

	if (w->pending == 0)
		return;
	if (n % 4 == 0) {
		*judged = true;
		world_answer(w, NULL, false);
	} else if (n % 4 == 1) {
		world_answer(w, "Test.Threat", w->rq.kind == SCAN_PREFIX);
	} else if (n % 4 == 2) {
		world_answer_incomplete(w, reasons[n / 4 % COUNTOF(reasons)]);
	} else {
		world_worker_dies(w, SIGSEGV);
	}
}

static size_t
raw(struct world *w, const uint8_t *p, size_t len, size_t want)
{
	size_t n = want < len ? want : len;

	world_feed(w, (const char *)p, n, want % 3);
	return n;
}

static void
look(struct world *w, bool judged)
{
	const char *sent = world_sent(w);

	CHECK(judged || strstr(sent, SECRET) == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w;
	bool judged = false;

	if (size < 2)
		return 0;
	world_init(&w, settings[data[0] % COUNTOF(settings)], data[0] < 128);
	for (size_t i = 1; i < size && !w.closed; i++) {
		unsigned int n = data[i] >> 3;

		switch (data[i] & 7) {
		case 0:
			answer(&w, n, &judged);
			break;
		case 1:
			world_wait(&w, (uint64_t)n * n * 50000);
			break;
		case 2:
			i += raw(&w, data + i + 1, size - i - 1, n);
			break;
		case 3:
			if (w.core.loaded.generation == 0) {
				world_ready(&w);
				world_add_worker(&w);
			}
			break;
		default:
			world_feed(&w, pieces[n % COUNTOF(pieces)],
			    strlen(pieces[n % COUNTOF(pieces)]), data[i] & 3);
			break;
		}
		look(&w, judged);
	}
	world_free(&w);
	return 0;
}
