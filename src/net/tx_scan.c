/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* PSCAN and SCAN: what workers are asked, and what their answers mean. */
#include "net/tx_int.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "net/harmless.h"

#define GLANCE_QUEUE_US ((uint64_t)10000)

/* clang-format off */
static void
fill_opts(const struct conf_service *c, struct scan_opts *o)
{
	memset(o, 0, sizeof(*o));
	o->max_file_size = c->max_file_size;
	o->max_scan_size = c->max_scan_size;
	o->max_files = (uint32_t)c->max_files;
	o->max_recursion = (uint32_t)c->max_recursion;
	o->max_decoded_size = c->max_decoded_size;
	o->max_decode_ratio = (uint32_t)c->max_decode_ratio;
#define SCAN_SWITCH(field, word, flags) \
	if (c->field) \
		o->switches |= SCAN_BIT(field);
#define SCAN_NUMBER(field, setting, max) \
	o->numbers[SCAN_NUMBER_##field] = c->field;
#include "base/scan_opts.def"
}
/* clang-format on */

static void
fill_forms(const struct tx *tx, struct msg_scan_request *rq)
{
	const struct svc_decision *d = &tx->decision;

	rq->ncodings = d->ncodings;
	memcpy(rq->codings, d->codings, sizeof(rq->codings));
	rq->forms = d->forms;
	(void)str_copy(rq->declared, sizeof(rq->declared), d->declared);
}

static void
take_back(struct tx *tx)
{
	buf_free(&tx->lent);
	if (tx->lent_fd != -1)
		(void)close(tx->lent_fd);
	tx->lent_fd = -1;
}

/*
 * A job may wait, or be given to a second worker, while input moves the body
 * (a larger buffer, a memfd, a file): then it reads a copy, or a descriptor of
 * its own.
 */
static bool
lend(struct tx *tx, struct sched_job *j)
{
	take_back(tx);
	if (!tx_states[tx->state].input)
		return true;
	if (j->fd != -1) {
		tx->lent_fd = fcntl(j->fd, F_DUPFD_CLOEXEC, 0);
		j->fd = tx->lent_fd;
		return j->fd != -1;
	}
	if (buf_append_slice(&tx->lent, j->body) == -1)
		return false;
	j->body = buf_slice(&tx->lent);
	return true;
}

const unsigned char *
tx_digest(struct tx *tx)
{
	/* of all that came, or there is none */
	if (!tx->body_end || tx->hashed != tx->received)
		return NULL;
	if (tx->hash == NULL)
		tx->hash = hash_new();
	if (!tx->has_digest && tx->hash != NULL &&
	    hash_final(tx->hash, tx->digest) == 0)
		tx->has_digest = true;
	return tx->has_digest ? tx->digest : NULL;
}

/* How much of the body so far is scanned. */
static uint64_t
part_len(const struct tx *tx, const struct tx_scan_what *w)
{
	uint64_t size = spool_size(tx->body);

	return w->most != 0 && w->most < size ? w->most : size;
}

/* What is scanned, if it is no whole body: as far as it is small. */
static struct slice
small_part(const struct tx *tx, const struct tx_scan_what *w)
{
	struct slice s = w->mem;

	if (w->mem.p == NULL && w->prefix_lane && spool_lend(tx->body) == -1)
		s = (struct slice){ spool_data(tx->body),
			(size_t)part_len(tx, w) };
	return s.len <= MSG_INLINE_BODY_MAX ? s : SLICE_NONE;
}

/* The scanned bytes by name. False: they have none, as it is not cheap. */
static bool
name_object(struct tx *tx, const struct tx_scan_what *w, struct killer *object)
{
	const unsigned char *digest = NULL;
	struct slice part;

	memset(object, 0, sizeof(*object));
	object->kind = (uint32_t)w->kind;
	if (w->mem.p == NULL) {
		object->ncodings = tx->decision.ncodings;
		memcpy(object->codings, tx->decision.codings,
		    object->ncodings * sizeof(object->codings[0]));
	}
	if (w->kind == SCAN_WHOLE) {
		object->size = spool_size(tx->body);
		if ((digest = tx_digest(tx)) != NULL)
			memcpy(object->digest, digest, HASH_LEN);
		return digest != NULL;
	}
	part = small_part(tx, w);
	object->size = part.len;
	return part.len > 0 && hash_once(part.p, part.len, object->digest) == 0;
}

/* Workers ended over it before, in this generation of signatures. */
static bool
is_killer(struct tx *tx, const struct tx_scan_what *w)
{
	unsigned int most = w->prefix_lane ? KILLERS_PREFIX : KILLERS_WHOLE;
	struct killer object;

	if (killers_is_empty(tx->core->killers) || !name_object(tx, w, &object))
		return false;
	return killers_weight(tx->core->killers, &object) >= most;
}

/* A worker ended: whether the object may be scanned once more. */
static bool
note_killer(struct tx *tx, const struct tx_scan_what *w)
{
	struct killer object;
	unsigned int n;

	if (!name_object(tx, w, &object))
		return true;
	n = killers_note(tx->core->killers, &object,
	    tx->done_signal == SIGKILL ? KILLERS_OUTSIDE : KILLERS_WORKER);
	if (n >= KILLERS_WHOLE && w->kind == SCAN_WHOLE)
		log_warn("killer-object", "id=%s size=%llu", tx->name,
		    (unsigned long long)object.size);
	return n < KILLERS_WHOLE;
}

struct slice
tx_client(const struct tx *tx)
{
	if (tx->who.client.len > 0)
		return buf_slice(&tx->who.client);
	return tx->host->peer != NULL ? slice_of(tx->host->peer) : SLICE_NONE;
}

/*
 * Of a prefix: the size that the whole will have, 0 when it is not known. It
 * only decides whether a hit is final, so a length that is not true can cost a
 * listed file its exception, and nothing more.
 */
static uint64_t
announced_len(const struct tx *tx)
{
	if (!tx->has_declared_len || tx->declared_len <= spool_size(tx->body) ||
	    tx->core->wrong_lengths[tx->svc->conf->index])
		return 0;
	return tx->declared_len;
}

void
tx_lend_body(struct tx *tx, struct sched_job *j)
{
	j->rq.size = spool_size(tx->body);
	j->fd = spool_lend(tx->body);
	j->body = SLICE_NONE;
	if (j->fd == -1)
		j->body =
		    (struct slice){ spool_data(tx->body), (size_t)j->rq.size };
}

/* All that the worker is told, and what it reads. */
static void
make_request(struct tx *tx, const struct tx_scan_what *w, struct sched_job *j)
{
	memset(j, 0, sizeof(*j));
	j->fd = -1;
	j->rq.kind = w->kind;
	j->rq.budget_us = w->budget_us;
	j->rq.conf_generation = tx->set->conf->generation;
	j->rq.missing = tx->missing;
	fill_opts(tx->svc->conf, &j->rq.opts);
	j->rq.opts.glance = w->glance;
	if (w->mem.p != NULL) {
		j->body = w->mem;
		j->rq.size = w->mem.len;
		return;
	}
	fill_forms(tx, &j->rq);
	if (w->kind == SCAN_PREFIX)
		j->rq.whole_len = announced_len(tx);
	tx_lend_body(tx, j);
	j->rq.size = part_len(tx, w);
	if (j->body.p != NULL)
		j->body.len = (size_t)j->rq.size;
}

bool
tx_submit(struct tx *tx, const struct tx_scan_what *w)
{
	struct sched_job j;

	tx->not_submitted = "it has ended workers before";
	if (is_killer(tx, w)) {
		METRIC_INC(killer_answers_total);
		return false;
	}
	tx->not_submitted = "out of memory";
	make_request(tx, w, &j);
	j.owner = tx->id;
	j.client = tx_client(tx);
	j.prefix = w->prefix_lane;
	j.fresh = w->fresh;
	j.queue_deadline_us = clock_mono_us() + w->queue_us;
	if (lend(tx, &j))
		tx->job = sched_submit(tx->core->sched, &j);
	return tx->job != 0;
}

void
tx_cancel_job(struct tx *tx)
{
	tx_shared_leave(tx);
	if (tx->job != 0)
		sched_cancel(tx->core->sched, tx->job);
	tx->job = 0;
	take_back(tx);
}

/* The service may silence findings and add some, and do nothing else. */
static void
take_answer(struct tx *tx, const struct scan_answer *a)
{
	uint32_t kept = 0;

	tx->answer = *a;
	if (tx->svc->module->verdict == NULL)
		return;
	tx->svc->module->verdict(tx->svc->instance, &tx->rq, &tx->answer);
	for (uint32_t i = 0; i < tx->answer.nfindings; i++) {
		struct scan_finding f = tx->answer.findings[i];

		if (f.outcome != OUTCOME_NONE)
			tx->answer.findings[kept++] = f;
		else
			log_info("finding-ignored", "id=%s name=%s", tx->name,
			    LOG_Q(slice_of(f.name)));
	}
	tx->answer.nfindings = kept;
	tx->answer.complete = a->complete;
	tx->answer.reason = a->reason;
	tx->answer.dropped = a->dropped;
	tx->answer.final = a->final;
}

/* The worker says how long it took; not more than there was in all. */
static void
note_times(struct tx *tx, const struct sched_done *d)
{
	uint64_t all = d->queue_us + d->scan_us, scan = d->scan_us;

	if (d->how == SCHED_ANSWER && d->answer->wall_us < all)
		scan = d->answer->wall_us;
	tx->t.queue_us += all - scan;
	tx->t.scan_us += scan;
}

void
tx_take(struct tx *tx, const struct sched_done *d)
{
	tx->done_how = d->how;
	tx->done_signal = d->signal;
	tx->generation = d->generation;
	tx->last_scan_us = d->scan_us;
	if (d->how == SCHED_ANSWER)
		take_answer(tx, d->answer);
	else
		memset(&tx->answer, 0, sizeof(tx->answer));
}

void
tx_scan_done(struct tx *tx, uint64_t job, const struct sched_done *d)
{
	if (job != tx->job)
		return;
	tx->job = 0;
	take_back(tx);
	note_times(tx, d);
	tx_take(tx, d);
	tx_shared_end(tx, d);
}

void
tx_doubt(struct tx *tx)
{
	if (tx->job != 0 && !tx_is_followed(tx))
		sched_doubt(tx->core->sched, tx->job);
}

bool
tx_note_end(struct tx *tx, const struct tx_scan_what *w)
{
	struct killer object;

	switch (tx->done_how) {
	case SCHED_LOST:
	case SCHED_OVERDUE:
	case SCHED_VIOLATION:
		return note_killer(tx, w);
	case SCHED_ANSWER:
		if (!killers_is_empty(tx->core->killers) &&
		    name_object(tx, w, &object))
			killers_clear(tx->core->killers, &object);
		break;
	case SCHED_QUEUED:
		break;
	}
	return true;
}

/*
 * A preview is looked into as a whole object is only where its refusal saves
 * much of a transfer: nothing of it goes out before the scan of the whole.
 * Where little follows PreviewGlance bounds what is looked at, and when all
 * workers are busy they are not waited for long: whole objects go first, and
 * this one becomes one soon. To a patient client some of it will go out, so all
 * of it is looked into.
 */
static struct tx_scan_what
prefix_what(const struct tx *tx)
{
	const struct conf_service *c = tx->svc->conf;
	uint64_t rest = tx_rest(tx);
	bool little = rest != TX_REST_UNKNOWN && rest <= c->preview_scan_rest;
	uint64_t budget_us = c->preview_scan_timeout * 1000;
	bool hurry = little && budget_us > GLANCE_QUEUE_US &&
		     !sched_has_idle(tx->core->sched);

	if (tx->host->patient)
		return (struct tx_scan_what){ .kind = SCAN_PREFIX,
			.queue_us = tx->set->conf->queue_timeout * 1000,
			.budget_us =
			    conf_scan_budget_us(c, spool_size(tx->body)) };
	return (struct tx_scan_what){ .kind = SCAN_PREFIX,
		.prefix_lane = true,
		.glance = little || rest == TX_REST_UNKNOWN,
		.most = little ? c->preview_glance : 0,
		.queue_us = hurry ? GLANCE_QUEUE_US : budget_us,
		.budget_us = budget_us };
}

/*
 * The preview by name: its bytes, what is said of it, and by what it is judged
 * (service, configuration, signatures). False: it has none.
 */
static bool
name_preview(struct tx *tx)
{
	const struct svc_decision *d = &tx->decision;
	struct {
		uint32_t service, generation, conf, ncodings, forms, glance;
		uint32_t codings[SCAN_MAX_CODINGS];
	} k;
	struct tx_scan_what w = prefix_what(tx);
	struct slice bytes = small_part(tx, &w);
	struct hash *h;
	bool ok;

	if (bytes.p == NULL || (h = hash_new()) == NULL)
		return false;
	memset(&k, 0, sizeof(k));
	k.service = tx->svc->conf->index;
	k.generation = tx->core->loaded.generation;
	k.conf = tx->set->conf->generation;
	k.ncodings = d->ncodings;
	k.forms = d->forms;
	k.glance = w.glance;
	memcpy(k.codings, d->codings, d->ncodings * sizeof(k.codings[0]));
	ok = hash_update(h, &k, sizeof(k)) == 0 &&
	     hash_update(h, bytes.p, bytes.len) == 0 &&
	     (d->declared.len == 0 ||
		 hash_update(h, d->declared.p, d->declared.len) == 0) &&
	     hash_final(h, tx->preview_digest) == 0;
	hash_free(&h);
	return ok;
}

static bool
is_harmless(struct tx *tx)
{
	tx->has_preview_digest = name_preview(tx);
	tx->preview_clean =
	    tx->has_preview_digest &&
	    harmless_has(tx->core->harmless, tx->preview_digest);
	if (tx->preview_clean)
		METRIC_INC(prefix_repeats_total);
	return tx->preview_clean;
}

static void
note_harmless(struct tx *tx)
{
	tx->preview_clean =
	    tx->done_how == SCHED_ANSWER && tx->answer.complete == 1 &&
	    tx->answer.nfindings == 0 && tx->answer.dropped == 0;
	if (tx->preview_clean && tx->has_preview_digest &&
	    tx->generation == tx->core->loaded.generation)
		harmless_note(tx->core->harmless, tx->preview_digest);
}

/*
 * Late, crashed, limited or overloaded prefix scans mean 100 Continue, never
 * an outcome (architecture 3).
 */
static enum tx_step
prefix_answered(struct tx *tx)
{
	const struct conf_service *c = tx->svc->conf;
	struct tx_scan_what w = prefix_what(tx);

	(void)tx_note_end(tx, &w);
	note_harmless(tx);
	if (tx->done_how != SCHED_ANSWER || c->monitor ||
	    !policy_prefix_blocks(c, &tx->answer))
		return tx_continue(tx, TX_BODY);
	METRIC_INC(prefix_blocks_total);
	policy_scan_verdict(&tx->verdict, c, &tx->answer, 0);
	tx->has_verdict = true;
	return tx_reply_verdict(tx);
}

enum tx_step
tx_run_PSCAN(struct tx *tx, enum tx_event ev)
{
	struct tx_scan_what w;

	switch (ev) {
	case TX_EV_ENTER:
		w = prefix_what(tx);
		if (!is_harmless(tx) && tx_submit(tx, &w))
			return TX_WAIT_EVENT;
		return tx_continue(tx, TX_BODY);
	case TX_EV_TIMEOUT:
		tx_cancel_job(tx);
		return tx_continue(tx, TX_BODY);
	case TX_EV_SCAN:
		return prefix_answered(tx);
	default:
		return TX_WAIT_EVENT;
	}
}

/*
 * A range that is not the whole object, or less than was announced. More than
 * was announced is scanned whole, and is no outcome of its own: some clients
 * announce a length that they do not know.
 */
static void
note_partial(struct tx *tx)
{
	bool response = tx->rq.method == SVC_RESPMOD;
	uint64_t size = spool_size(tx->body);

	tx->missing = http_part_of(response ? &tx->rx->res : &tx->rx->req,
	    response, size, tx->missing_why, sizeof(tx->missing_why));
	if (tx->has_declared_len && tx->declared_len < size)
		tx->core->wrong_lengths[tx->svc->conf->index] = true;
	if (tx->has_declared_len && tx->declared_len > size) {
		(void)snprintf(tx->missing_why, sizeof(tx->missing_why),
		    "%llu of %llu bytes that were announced",
		    (unsigned long long)size,
		    (unsigned long long)tx->declared_len);
		tx->missing |= SCAN_NO_END;
	}
	if (tx->missing != 0)
		tx->extra |= OUTCOME_BIT(OUTCOME_PARTIAL);
}

/* The middle of a coded object cannot be decoded by anybody: it is partial. */
static void
note_codings(struct tx *tx)
{
	if ((tx->missing & SCAN_NO_START) != 0)
		return;
	for (uint32_t i = 0; i < tx->decision.ncodings; i++)
		if (tx->decision.codings[i] == SCAN_CODING_UNKNOWN)
			tx->extra |= OUTCOME_BIT(OUTCOME_UNDECODABLE);
}

static struct tx_scan_what
whole_what(const struct tx *tx)
{
	return (struct tx_scan_what){ .kind = SCAN_WHOLE,
		.fresh = tx->retried,
		.queue_us = tx->queue_left_us,
		.budget_us = tx->scan_left_us };
}

static enum tx_step
submit_whole(struct tx *tx)
{
	struct tx_scan_what w = whole_what(tx);

	if (tx_submit(tx, &w))
		return TX_WAIT_EVENT;
	return tx_reply_outcome(tx, OUTCOME_FAILED, tx->not_submitted, NULL);
}

static enum tx_step answered(struct tx *tx);

/* Unless its answer is known, or will be: then there is no scan of its own. */
static enum tx_step
ask_or_submit(struct tx *tx)
{
	struct tx_scan_what w = whole_what(tx);
	struct sched_job j;

	make_request(tx, &w, &j);
	switch (tx_shared_ask(tx, &j.rq)) {
	case ASK_KNOWN:
		return answered(tx);
	case ASK_WAIT:
		return TX_WAIT_EVENT;
	case ASK_SCAN:
		break;
	}
	return submit_whole(tx);
}

static enum tx_step
begin_scan(struct tx *tx)
{
	tx_cancel_job(tx);
	if (tx->gate == GATE_SCANNING)
		tx->gate = GATE_CLOSED;
	/* never clean for a part: whatever the reason, it is a mistake */
	if (spool_size(tx->body) != tx->received) {
		log_error("body-incomplete", "id=%s", tx->name);
		return tx_reply_outcome(
		    tx, OUTCOME_FAILED, "a part of it was lost", NULL);
	}
	if (spool_finish(tx->body) == -1)
		return tx_reply_outcome(
		    tx, OUTCOME_FAILED, "could not be stored", NULL);
	note_partial(tx);
	note_codings(tx);
	tx->scan_left_us =
	    conf_scan_budget_us(tx->svc->conf, spool_size(tx->body));
	tx->queue_left_us = tx->set->conf->queue_timeout * 1000;
	return ask_or_submit(tx);
}

/* Once more, in a fresh worker, as long as its one deadline permits. */
static bool
may_retry(struct tx *tx, uint64_t used_us)
{
	bool may = tx->svc->conf->retry_failed_scan && !tx->retried &&
		   used_us < tx->scan_left_us;

	if (may)
		tx->scan_left_us -= used_us;
	return may;
}

/* The worker ended during the scan: blamed on the object. */
static enum tx_step
lost(struct tx *tx)
{
	const struct tx_scan_what whole = { .kind = SCAN_WHOLE };
	bool again = tx_note_end(tx, &whole);

	if (tx->done_how == SCHED_OVERDUE)
		return tx_reply_outcome(tx, OUTCOME_TIMEOUT,
		    "the scan did not end before its deadline", NULL);
	if (again && may_retry(tx, tx->last_scan_us)) {
		tx->retried = true;
		tx->queue_left_us = tx->set->conf->queue_timeout * 1000;
		METRIC_INC(scans_retried_total);
		return submit_whole(tx);
	}
	return tx_reply_outcome(tx, OUTCOME_FAILED,
	    tx->done_how == SCHED_VIOLATION
		? "the worker broke the rules"
		: "the worker ended during the scan",
	    NULL);
}

static enum tx_step
not_begun(struct tx *tx)
{
	if (tx->retried)
		return tx_reply_outcome(tx, OUTCOME_FAILED,
		    "the worker ended during the scan, and none was free for "
		    "another try",
		    NULL);
	return tx_reply_outcome(tx, OUTCOME_OVERLOAD,
	    "no worker became free within QueueTimeout", NULL);
}

static enum tx_step
answered(struct tx *tx)
{
	const struct tx_scan_what whole = { .kind = SCAN_WHOLE };

	(void)tx_note_end(tx, &whole);
	policy_scan_verdict(
	    &tx->verdict, tx->svc->conf, &tx->answer, tx->extra);
	if (tx->verdict.outcome == OUTCOME_PARTIAL)
		(void)str_copy(tx->verdict.reason, sizeof(tx->verdict.reason),
		    slice_of(tx->missing_why));
	tx->has_verdict = true;
	return tx_reply_verdict(tx);
}

static enum tx_step
followed_in_vain(struct tx *tx)
{
	return tx_reply_outcome(tx, OUTCOME_TIMEOUT,
	    "the scan of the same object for another client took its time",
	    NULL);
}

/* As long as the time for waiting and that for a scan are not used up. */
static enum tx_step
left_alone(struct tx *tx)
{
	if (tx->queue_left_us > 0)
		return submit_whole(tx);
	return tx->done_how == SCHED_QUEUED ? not_begun(tx)
					    : followed_in_vain(tx);
}

static enum tx_step
scan_is_over(struct tx *tx)
{
	switch (tx->done_how) {
	case SCHED_ANSWER:
		return answered(tx);
	case SCHED_QUEUED:
		return not_begun(tx);
	case SCHED_LOST:
	case SCHED_OVERDUE:
	case SCHED_VIOLATION:
		break;
	}
	return lost(tx);
}

enum tx_step
tx_run_SCAN(struct tx *tx, enum tx_event ev)
{
	switch (ev) {
	case TX_EV_ENTER:
		return begin_scan(tx);
	case TX_EV_SCAN:
		return scan_is_over(tx);
	case TX_EV_ALONE:
		return left_alone(tx);
	case TX_EV_TIMEOUT:
		if (tx_is_following(tx))
			return followed_in_vain(tx);
		return TX_WAIT_EVENT;
	default:
		return TX_WAIT_EVENT;
	}
}
