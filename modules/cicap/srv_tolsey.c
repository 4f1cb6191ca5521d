/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* The service as c-icap sees it: which of its callbacks does what. */
#include "tolsey_cicap.h"

#include <stdlib.h>
#include <string.h>

#define PREVIEW_SIZE 4096
#define NOT_READY_TTL 10

/* ---- what is decided ---- */

static int
out_of_memory(struct cicap_tx *tx)
{
	CICAP_LOG(1, "tolsey: out of memory\n");
	tx->failed = true;
	return CI_ERROR;
}

/* The object passes. CI_OK: its answer is the message as it came. */
static int
pass(struct cicap_tx *tx)
{
	tx->phase = CICAP_ECHO;
	if (tx->verdict != NULL && tx->verdict->edited_head.len > 0 &&
	    !cicap_put_edited_head(tx))
		return out_of_memory(tx);
	return CI_OK;
}

/* Something else goes out, unless the beginning of the object is out. */
static int
block(struct cicap_tx *tx)
{
	bool ok;

	if (tx->woken || ci_req_sent_data(tx->req)) {
		tx->phase = CICAP_END;
		tx->failed = true; /* the connection is cut */
		return CI_ERROR;
	}
	ok = tx->verdict != NULL ? cicap_put_page(tx) : cicap_put_own_page(tx);
	tx->phase = CICAP_PAGE;
	tx->out = 0;
	return ok ? CI_OK : out_of_memory(tx);
}

/* CI_OK, or CI_ERROR: the client is to get an error, or a cut. */
static int
decide(struct cicap_tx *tx, enum cicap_rc rc)
{
	tx->decided = true;
	cicap_release_conn(tx);
	cicap_note_verdict(tx);
	if (rc == CICAP_VERDICT) {
		if (tx->verdict->action == TOLSEY_SCAN_PASS)
			return pass(tx);
		if (tx->verdict->action == TOLSEY_SCAN_BLOCK)
			return block(tx);
	} else if (cicap_conf.on_error == CICAP_PASS) {
		return pass(tx);
	} else if (cicap_conf.on_error == CICAP_BLOCK) {
		return block(tx);
	}
	tx->phase = CICAP_END;
	tx->failed = true;
	return CI_ERROR;
}

static bool
is_edited(const struct cicap_tx *tx)
{
	return tx->verdict != NULL && tx->verdict->edited_head.len > 0;
}

/* ---- callbacks of a transaction ---- */

static void *
begin(ci_request_t *req)
{
	struct cicap_tx *tx;

	if (ci_req_type(req) == ICAP_OPTIONS)
		return NULL;
	if ((tx = calloc(1, sizeof(*tx))) == NULL)
		return NULL;
	tx->req = req;
	cicap_body_init(&tx->body);
	cicap_note_arguments(req->args);
	return tx;
}

static void
end(void *data)
{
	struct cicap_tx *tx = data;

	if (tx == NULL)
		return;
	cicap_release_conn(tx);
	tolsey_scan_verdict_free(tx->verdict);
	cicap_body_free(&tx->body);
	free(tx->own_page);
	free(tx);
}

/*
 * The preview is answered at once, without 100 Continue: c-icap does so for
 * 206 only, which we are not going to send.
 */
static int
answer_at_preview(ci_request_t *req)
{
	req->allow206 = 1;
	return CI_MOD_ALLOW206;
}

/* What the daemon says of the preview, before 100 Continue. */
static int
preview_decided(struct cicap_tx *tx, enum cicap_rc rc)
{
	if (decide(tx, rc) == CI_ERROR)
		return CI_ERROR;
	if (tx->phase == CICAP_PAGE)
		return answer_at_preview(tx->req);
	if (!is_edited(tx) && !(tx->phase == CICAP_ECHO && tx->body.failed))
		return CI_MOD_ALLOW204;
	/* it passes with another head: the rest is needed to be sent on */
	ci_req_unlock_data(tx->req);
	return CI_MOD_CONTINUE;
}

static int
check_preview(char *data, int len, ci_request_t *req)
{
	struct cicap_tx *tx = ci_service_data(req);
	enum cicap_rc rc;

	if (tx == NULL)
		return CI_ERROR;
	ci_req_lock_data(req);
	if (!ci_req_hasbody(req) || data == NULL)
		return CI_MOD_CONTINUE;
	if (len > 0)
		(void)cicap_body_add(&tx->body, data, (size_t)len);
	tx->in_since_poke = tx->body.size;
	/* it is all: 204 is permitted now, whatever Allow says */
	if (ci_req_hasalldata(req))
		rc =
		    tx->body.failed ? CICAP_FAILED : cicap_ask_whole(tx, false);
	else
		rc = cicap_ask_prefix(tx);
	return rc == CICAP_CONTINUE ? CI_MOD_CONTINUE : preview_decided(tx, rc);
}

/* The largest object that the daemon scans; more need not be kept. */
static bool
is_over(const struct cicap_tx *tx)
{
	struct tolsey_scan_service s;

	return !tx->decided && cicap_service(&s) && s.max_object_size > 0 &&
	       tx->body.size > s.max_object_size;
}

/*
 * It is known before the end (too large, or bad from the beginning): the answer
 * goes out now, while the rest is still being received.
 */
static int
decide_early(struct cicap_tx *tx, enum cicap_rc rc)
{
	/* an error that can still be told is told at the end of data */
	if (decide(tx, rc) == CI_ERROR)
		return tx->woken ? CI_ERROR : CI_OK;
	ci_req_unlock_data(tx->req);
	return CI_OK;
}

/* Takes bytes of the body. *len becomes what was taken. */
static int
receive(struct cicap_tx *tx, const char *p, int *len, bool is_end)
{
	enum cicap_stall what = CICAP_GO_ON;
	int n = *len;

	if (tx->phase == CICAP_PAGE || tx->phase == CICAP_END)
		return CI_OK; /* it is not needed */
	/* the last byte waits while c-icap is to send what we release */
	if (n > 0 && !cicap_body_add(&tx->body, p, (size_t)n - 1))
		return tx->phase == CICAP_ECHO ? CI_ERROR : CI_OK;
	if (!is_end)
		what = cicap_stalled(tx, n);
	if (what != CICAP_GO_ON)
		*len = n - 1;
	if (what == CICAP_WAKE) {
		ci_req_unlock_data(tx->req);
		return CI_OK;
	}
	if (what == CICAP_JUDGED)
		return decide_early(
		    tx, tx->verdict != NULL ? CICAP_VERDICT : CICAP_FAILED);
	if (n > 0 && !cicap_body_add(&tx->body, p + n - 1, 1))
		return tx->phase == CICAP_ECHO ? CI_ERROR : CI_OK;
	return is_over(tx) ? decide_early(tx, cicap_ask_whole(tx, false))
			   : CI_OK;
}

/* Bytes of the object. As give(). */
static int
give_body(struct cicap_tx *tx, char *p, size_t room, int *len, bool is_end)
{
	ssize_t n = cicap_body_read(&tx->body, p, room, tx->out);

	if (n < 0)
		return CI_ERROR;
	*len = n > 0 ? (int)n : is_end ? CI_EOF : 0;
	tx->out += (uint64_t)n;
	return CI_OK;
}

/* Gives bytes of the answer. *len: room, then what there is, or CI_EOF. */
static int
give(struct cicap_tx *tx, char *p, int *len, bool is_end)
{
	size_t room = (size_t)*len, left;

	*len = 0;
	switch (tx->phase) {
	case CICAP_RECEIVING:
		/*
		 * At the end the verdict is next. With less room than a chunk
		 * has, the byte before is still to be sent.
		 */
		if (is_end || room < MAX_CHUNK_SIZE || !cicap_may_release(tx))
			return CI_OK;
		return give_body(tx, p, 1, len, false);
	case CICAP_ECHO:
		return give_body(tx, p, room, len, is_end);
	case CICAP_PAGE:
		left = tx->page.len - (size_t)tx->out;
		room = room < left ? room : left;
		memcpy(p, (const char *)tx->page.p + tx->out, room);
		tx->out += room;
		*len = room > 0 ? (int)room : CI_EOF;
		break;
	case CICAP_END:
		break;
	}
	return CI_OK;
}

static int
service_io(
    char *wbuf, int *wlen, char *rbuf, int *rlen, int iseof, ci_request_t *req)
{
	struct cicap_tx *tx = ci_service_data(req);

	if (tx == NULL || (tx->failed && tx->woken))
		return CI_ERROR;
	if (rbuf != NULL && rlen != NULL && *rlen > 0 &&
	    receive(tx, rbuf, rlen, iseof != 0) == CI_ERROR)
		return CI_ERROR;
	if (wbuf != NULL && wlen != NULL && *wlen > 0)
		return give(tx, wbuf, wlen, iseof != 0);
	return CI_OK;
}

static int
end_of_data(ci_request_t *req)
{
	struct cicap_tx *tx = ci_service_data(req);

	if (tx == NULL || tx->failed)
		return CI_ERROR;
	if (!tx->decided) {
		enum cicap_rc rc =
		    tx->body.failed ? CICAP_FAILED
				    : cicap_ask_whole(tx, !ci_req_hasbody(req));

		if (decide(tx, rc) == CI_ERROR)
			return CI_ERROR;
		if (tx->phase == CICAP_ECHO && tx->body.failed)
			return CI_ERROR; /* what was lost cannot be passed */
	}
	if (tx->phase == CICAP_ECHO)
		cicap_check_length(tx);
	if (tx->phase == CICAP_PAGE)
		req->return_code = EC_200; /* see answer_at_preview() */
	if (tx->phase == CICAP_ECHO && !is_edited(tx) && tx->out == 0 &&
	    !ci_req_sent_data(req) && ci_req_allow204(req))
		return CI_MOD_ALLOW204;
	ci_req_unlock_data(req);
	return CI_MOD_DONE;
}

/* ---- the service ---- */

static ci_service_xdata_t *cicap_xdata; /* of the service, by c-icap */

/* PreviewSize of tolsey.conf, unless c-icap.conf has tolsey.PreviewSize. */
static void
follow_preview(const struct tolsey_scan_service *s)
{
	static int ours = PREVIEW_SIZE;

	if (!s->found || s->preview_size < 0 ||
	    cicap_xdata->preview_size != ours)
		return;
	ours = s->preview_size;
	ci_service_set_preview(cicap_xdata, ours);
}

/* OPTIONS: 500 only where errors are to be errors; else pages explain. */
static int
check_health(ci_request_t *req)
{
	struct tolsey_scan_service s;
	enum tolsey_scan_rc rc = cicap_refresh(&s);
	bool ready = rc == TOLSEY_SCAN_OK && s.found && s.ready;

	(void)ci_icap_add_xheader(req, "X-Allow-Out: X-Infection-Found");
	if (rc == TOLSEY_SCAN_OK)
		follow_preview(&s);
	ci_service_set_options_ttl(
	    cicap_xdata, ready ? (int)s.options_ttl_s : NOT_READY_TTL);
	return ready || cicap_conf.on_error != CICAP_ERROR ? CI_OK : CI_ERROR;
}

static int
init_service(ci_service_xdata_t *xdata, struct ci_server_conf *conf)
{
	(void)conf;
	ci_service_set_preview(xdata, PREVIEW_SIZE);
	ci_service_enable_204(xdata);
	ci_service_set_transfer_preview(xdata, "*");
	ci_service_set_xopts(
	    xdata, CI_XCLIENTIP | CI_XSERVERIP | CI_XSUBSCRIBERID |
		       CI_XAUTHENTICATEDUSER | CI_XAUTHENTICATEDGROUPS);
	ci_service_set_istag(xdata, "none");
	return CI_OK;
}

/* One line at the start says how things are. */
static int
post_init_service(ci_service_xdata_t *xdata, struct ci_server_conf *conf)
{
	static const char *const words[] = { "blocked", "passed unscanned",
		"answered with an error" };
	struct tolsey_scan_service s;
	enum tolsey_scan_rc rc;

	cicap_xdata = xdata;
	/* each holds a thread: more would wait unanswered */
	if (xdata->max_connections <= 0)
		ci_service_set_max_connections(
		    xdata, conf->MAX_SERVERS * conf->THREADS_PER_CHILD);
	cicap_set_xdata(xdata);
	rc = cicap_refresh(&s);
	if (rc == TOLSEY_SCAN_OK)
		follow_preview(&s);
	ci_service_add_option_handler(xdata, "tolsey", check_health);
	if (rc != TOLSEY_SCAN_OK)
		CICAP_LOG(0,
		    "tolsey: no tolseyd on %s (%s): until it is there objects "
		    "are %s\n",
		    cicap_conf.socket, tolsey_scan_strerror(rc),
		    words[cicap_conf.on_error]);
	else
		CICAP_LOG(0,
		    "tolsey: %s on %s, signatures of generation %u%s, service "
		    "%s%s\n",
		    s.daemon, cicap_conf.socket, s.generation,
		    s.generation == 0 ? " (none yet)" : "",
		    s.found ? s.service : cicap_conf.service,
		    s.found ? "" : " is not there");
	/* the processes that c-icap forks have their own */
	cicap_daemon_close();
	return CI_OK;
}

static void
close_service(void)
{
	cicap_daemon_close();
}

/* c-icap 0.6 checks for which version a service was built, by its macro. */
#ifdef _CI_DECLARE_SERVICE
static ci_service_module_t srv_tolsey;
_CI_DECLARE_SERVICE(srv_tolsey)
static ci_service_module_t srv_tolsey =
#else
CI_DECLARE_MOD_DATA ci_service_module_t service =
#endif
    {
	    .mod_name = "tolsey",
	    .mod_short_descr = "tolsey antivirus",
	    .mod_type = ICAP_RESPMOD | ICAP_REQMOD,
	    .mod_init_service = init_service,
	    .mod_post_init_service = post_init_service,
	    .mod_close_service = close_service,
	    .mod_init_request_data = begin,
	    .mod_release_request_data = end,
	    .mod_check_preview_handler = check_preview,
	    .mod_end_of_data_handler = end_of_data,
	    .mod_service_io = service_io,
	    .mod_conf_table = cicap_directives,
    };
