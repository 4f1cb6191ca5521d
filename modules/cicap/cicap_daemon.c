/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * Connections to tolseyd. Each thread of c-icap has one while it asks; those
 * that wait are kept for the next object. One that turns out to have ended (a
 * restart, a new configuration) is replaced, and the object is asked about
 * again: nothing was judged on it.
 */
#include "tolsey_cicap.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define IDLE_MAX 64
#define TRIES 3
#define REFRESH_MS 1000
#define PAUSE_MS 25
#define ISTAG_MAX 40
#define HEADS_MAX ((size_t)(192 << 10)) /* of one message, with its bytes */

static struct {
	pthread_mutex_t lock;
	struct tolsey_scan *idle[IDLE_MAX];
	int nidle;
	/* what is known of the daemon in this process */
	struct tolsey_scan_service service;
	bool has_service;
	uint64_t asked_ms;
	bool suspect;     /* it did not answer: asked first, and shortly */
	uint64_t gone_ms; /* since when nobody serves the socket, 0: served */
	bool said_gone;
	char istag[ISTAG_MAX];
	ci_service_xdata_t *xdata;
} daemon_state = { .lock = PTHREAD_MUTEX_INITIALIZER };

static uint64_t
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void
lock(void)
{
	(void)pthread_mutex_lock(&daemon_state.lock);
}

static void
unlock(void)
{
	(void)pthread_mutex_unlock(&daemon_state.lock);
}

void
cicap_set_xdata(ci_service_xdata_t *xdata)
{
	daemon_state.xdata = xdata;
}

void
cicap_follow_istag(const char *istag)
{
	ci_service_xdata_t *xdata = NULL;

	lock();
	if (istag[0] != '\0' && strcmp(daemon_state.istag, istag) != 0) {
		strncpy(daemon_state.istag, istag, ISTAG_MAX - 1);
		xdata = daemon_state.xdata;
	}
	unlock();
	if (xdata != NULL)
		ci_service_set_istag(xdata, istag);
}

bool
cicap_service(struct tolsey_scan_service *out)
{
	bool has;

	lock();
	*out = daemon_state.service;
	has = daemon_state.has_service;
	unlock();
	return has;
}

/* ---- how it is ---- */

static void
note_answer(void)
{
	bool back;

	lock();
	back = daemon_state.said_gone;
	daemon_state.suspect = daemon_state.said_gone = false;
	daemon_state.gone_ms = 0;
	unlock();
	if (back)
		CICAP_LOG(1, "tolsey: tolseyd answers again\n");
}

static void
note_failure(enum tolsey_scan_rc rc, const char *why)
{
	bool say;

	lock();
	if (rc == TOLSEY_SCAN_TIMEOUT)
		daemon_state.suspect = true;
	if (rc == TOLSEY_SCAN_GONE && daemon_state.gone_ms == 0)
		daemon_state.gone_ms = now_ms();
	say = !daemon_state.said_gone;
	daemon_state.said_gone = true;
	unlock();
	CICAP_LOG(say ? 1 : 5, "tolsey: %s: %s%s%s\n", cicap_conf.socket,
	    tolsey_scan_strerror(rc), why[0] != '\0' ? ": " : "", why);
}

static bool
is_suspect(void)
{
	bool is;

	lock();
	is = daemon_state.suspect;
	unlock();
	return is;
}

/* One that has just gone may be back in a moment: a restart. */
static bool
worth_waiting(void)
{
	uint64_t gone;

	lock();
	gone = daemon_state.gone_ms;
	unlock();
	return gone != 0 && now_ms() - gone < (uint64_t)cicap_conf.restart_ms;
}

/* The one that OPTIONS are asked about. */
static const char *
usual_service(void)
{
	return strcmp(cicap_conf.service, CICAP_BY_NAME) == 0
		   ? ""
		   : cicap_conf.service;
}

/* ---- connections ---- */

static struct tolsey_scan *
take_idle(void)
{
	struct tolsey_scan *s = NULL;

	lock();
	if (daemon_state.nidle > 0)
		s = daemon_state.idle[--daemon_state.nidle];
	unlock();
	return s;
}

static void
give_back(struct tolsey_scan *s)
{
	if (s == NULL)
		return;
	lock();
	if (!tolsey_scan_is_broken(s) && daemon_state.nidle < IDLE_MAX) {
		daemon_state.idle[daemon_state.nidle++] = s;
		s = NULL;
	}
	unlock();
	tolsey_scan_close(s);
}

void
cicap_daemon_close(void)
{
	struct tolsey_scan *s;

	while ((s = take_idle()) != NULL)
		tolsey_scan_close(s);
}

/* A new connection; waits for a daemon that is being started again. */
static enum tolsey_scan_rc
connect_new(struct tolsey_scan **s)
{
	const struct timespec pause = { 0, PAUSE_MS * 1000000 };
	enum tolsey_scan_rc rc;

	for (;;) {
		rc = tolsey_scan_open(
		    cicap_conf.socket, (unsigned int)cicap_conf.alive_ms, s);
		if (rc == TOLSEY_SCAN_OK) {
			tolsey_scan_watch(
			    *s, (unsigned int)cicap_conf.alive_ms);
			return rc;
		}
		note_failure(rc, "");
		if (rc != TOLSEY_SCAN_GONE || !worth_waiting())
			return rc;
		(void)nanosleep(&pause, NULL);
	}
}

/* After it did not answer it is asked for little before it is for much. */
static enum tolsey_scan_rc
probe(struct tolsey_scan **s)
{
	struct tolsey_scan_service x;
	enum tolsey_scan_rc rc = connect_new(s);

	if (rc == TOLSEY_SCAN_OK)
		rc = tolsey_scan_options(*s, usual_service(),
		    (unsigned int)cicap_conf.alive_ms / 3 + 1, &x);
	if (rc == TOLSEY_SCAN_OK) {
		note_answer();
		return rc;
	}
	tolsey_scan_close(*s);
	*s = NULL;
	return rc;
}

static enum tolsey_scan_rc
get_conn(struct tolsey_scan **s)
{
	if (is_suspect())
		return probe(s);
	*s = take_idle();
	return *s != NULL ? TOLSEY_SCAN_OK : connect_new(s);
}

/* ---- asking ---- */

enum tolsey_scan_rc
cicap_refresh(struct tolsey_scan_service *out)
{
	struct tolsey_scan *s = NULL;
	enum tolsey_scan_rc rc = TOLSEY_SCAN_GONE;
	bool recent;

	lock();
	recent = daemon_state.has_service && daemon_state.gone_ms == 0 &&
		 !daemon_state.suspect &&
		 now_ms() - daemon_state.asked_ms < REFRESH_MS;
	*out = daemon_state.service;
	unlock();
	if (recent)
		return TOLSEY_SCAN_OK;
	for (int i = 0; i < TRIES && rc == TOLSEY_SCAN_GONE; i++) {
		if ((rc = get_conn(&s)) != TOLSEY_SCAN_OK)
			break;
		rc = tolsey_scan_options(
		    s, usual_service(), (unsigned int)cicap_conf.alive_ms, out);
		give_back(s);
	}
	if (rc != TOLSEY_SCAN_OK) {
		note_failure(rc, "");
		return rc;
	}
	note_answer();
	lock();
	daemon_state.service = *out;
	daemon_state.has_service = true;
	daemon_state.asked_ms = now_ms();
	unlock();
	cicap_follow_istag(out->istag);
	return rc;
}

/*
 * May the same be asked again? Nothing was judged, and it may be served now: by
 * a daemon that is there again, or in a moment, when others have their answers.
 */
static bool
may_repeat(enum tolsey_scan_rc rc, int tries, uint64_t begin_ms)
{
	const struct timespec pause = { 0, PAUSE_MS * 1000000 };

	if (rc == TOLSEY_SCAN_GONE) {
		cicap_daemon_close(); /* the others that wait went as well */
		return tries < TRIES;
	}
	if (rc != TOLSEY_SCAN_BUSY ||
	    now_ms() - begin_ms >= (uint64_t)cicap_conf.restart_ms)
		return false;
	cicap_daemon_close(); /* those that wait here count, too */
	(void)nanosleep(&pause, NULL);
	return true;
}

static enum cicap_rc
conclude(struct cicap_tx *tx, enum tolsey_scan_rc rc, const char *why)
{
	tx->busy = rc == TOLSEY_SCAN_BUSY;
	if (rc != TOLSEY_SCAN_OK) {
		note_failure(rc, why);
		return CICAP_FAILED;
	}
	note_answer();
	cicap_follow_istag(tx->verdict->istag);
	return CICAP_VERDICT;
}

void
cicap_release_conn(struct cicap_tx *tx)
{
	/* one that awaits the rest of an object is of no use to another */
	tolsey_scan_close(tx->conn);
	tx->conn = NULL;
}

/* The message of a request, but for its body. */
static void
fill(struct tolsey_scan_request *rq, ci_request_t *req)
{
	rq->method = ci_req_type(req) == ICAP_REQMOD ? TOLSEY_SCAN_REQMOD
						     : TOLSEY_SCAN_RESPMOD;
	rq->service = cicap_conf.service;
	/* by the name in the URL: one that c-icap has as an alias */
	if (strcmp(rq->service, CICAP_BY_NAME) == 0)
		rq->service = req->service;
	rq->query = req->args;
	rq->fd = -1;
}

static void
keep_why(char why[128], const struct tolsey_scan *s)
{
	strncpy(why, tolsey_scan_why(s), 127);
	why[127] = '\0';
}

/*
 * The beginning of the body, as much as fits a message with these heads. The
 * memory is in *mem, to be freed.
 */
static bool
take_prefix(
    const struct cicap_tx *tx, struct tolsey_scan_request *rq, char **mem)
{
	size_t heads =
	    rq->identity.len + rq->request_head.len + rq->response_head.len;
	size_t len = TOLSEY_SCAN_INLINE_MAX;

	if (len > tx->body.size)
		len = (size_t)tx->body.size;
	if (heads >= HEADS_MAX)
		return true;
	if (len > HEADS_MAX - heads)
		len = HEADS_MAX - heads;
	if ((*mem = malloc(len + 1)) == NULL ||
	    cicap_body_read(&tx->body, *mem, len, 0) != (ssize_t)len)
		return false;
	rq->bytes.p = *mem;
	rq->bytes.len = len;
	return true;
}

static enum cicap_rc
ask_prefix(struct cicap_tx *tx, bool patient)
{
	struct tolsey_scan_request rq = { .patient = patient };
	enum tolsey_scan_rc rc = TOLSEY_SCAN_NO_MEMORY;
	struct tolsey_scan *s = NULL;
	char *mem = NULL, *bytes = NULL, why[128] = "";
	uint64_t begin = now_ms();

	fill(&rq, tx->req);
	if (!cicap_heads_fill(tx->req, &rq, &mem) ||
	    !take_prefix(tx, &rq, &bytes))
		goto out;
	if (rq.bytes.len == 0) { /* there is no room: asked at the end */
		free(mem);
		free(bytes);
		return CICAP_CONTINUE;
	}
	for (int i = 1;; i++) {
		s = tx->conn; /* it has less of the object */
		tx->conn = NULL;
		if (s == NULL && (rc = get_conn(&s)) != TOLSEY_SCAN_OK)
			break;
		rc = tolsey_scan_prefix(s, &rq,
		    (unsigned int)cicap_conf.timeout_s * 1000, &tx->scanned,
		    &tx->verdict);
		keep_why(why, s);
		if (rc == TOLSEY_SCAN_CONTINUE)
			break;
		give_back(s);
		if (!may_repeat(rc, i, begin))
			break;
	}
out:
	free(mem);
	free(bytes);
	if (rc != TOLSEY_SCAN_CONTINUE)
		return conclude(tx, rc, why);
	note_answer();
	tx->conn = s;
	tx->prefix = rq.bytes.len;
	return CICAP_CONTINUE;
}

enum cicap_rc
cicap_ask_prefix(struct cicap_tx *tx)
{
	return ask_prefix(tx, false);
}

enum cicap_rc
cicap_ask_gate(struct cicap_tx *tx)
{
	return ask_prefix(tx, true);
}

/* On the connection that has the prefix. False: it has to be asked anew. */
static bool
ask_rest(struct cicap_tx *tx, int fd, const struct tolsey_scan_bytes *bytes,
    enum tolsey_scan_rc *rc, char why[128])
{
	struct tolsey_scan *s = tx->conn;
	uint64_t size = tx->body.size - tx->prefix;

	if (s == NULL)
		return false;
	tx->conn = NULL;
	*rc = tolsey_scan_rest(s, fd, tx->prefix, size,
	    fd == -1 ? (const char *)bytes->p + tx->prefix : NULL,
	    (unsigned int)cicap_conf.timeout_s * 1000, &tx->verdict);
	keep_why(why, s);
	give_back(s);
	return *rc != TOLSEY_SCAN_GONE && *rc != TOLSEY_SCAN_BUSY;
}

enum cicap_rc
cicap_ask_whole(struct cicap_tx *tx, bool no_body)
{
	struct tolsey_scan_request rq = { 0 };
	enum tolsey_scan_rc rc = TOLSEY_SCAN_NO_MEMORY;
	struct tolsey_scan *s = NULL;
	char *mem = NULL, why[128] = "";
	uint64_t begin = now_ms();

	fill(&rq, tx->req);
	rq.no_body = no_body;
	rq.fd = cicap_body_lend(&tx->body, &rq.bytes);
	rq.size = tx->body.size;
	if (rq.fd == -2 || !cicap_heads_fill(tx->req, &rq, &mem))
		goto out;
	if (ask_rest(tx, rq.fd, &rq.bytes, &rc, why))
		goto out;
	for (int i = 1;; i++) {
		if ((rc = get_conn(&s)) != TOLSEY_SCAN_OK)
			break;
		rc = tolsey_scan_whole(s, &rq,
		    (unsigned int)cicap_conf.timeout_s * 1000, &tx->verdict);
		keep_why(why, s);
		give_back(s);
		if (!may_repeat(rc, i, begin))
			break;
	}
out:
	if (rq.fd >= 0)
		(void)close(rq.fd);
	free(mem);
	return conclude(tx, rc, why);
}
