/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* The allow-list of messages, row by row, and hostile scan results. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "ipc/msg.h"

/* A second reading of the table, by other means than msg.c's. */
enum {
	PARENT = ROLE_PARENT,
	NET = ROLE_NET,
	SCAN = ROLE_SCAN,
	WORKER = ROLE_WORKER,
	CTL = ROLE_CTL,
	CHECK = ROLE_CHECK
};
static const struct row {
	uint16_t type;
	const char *name;
	unsigned int from, to;
	size_t size, tail, minfd, maxfd;
} rows[] = {
#define MSG(id, name, from, to, payload, tail, minfd, maxfd) \
	{ id, #name, from, to, sizeof(struct payload), tail, minfd, maxfd },
#include "ipc/msg.def"
};
static const enum role roles[] = { ROLE_PARENT, ROLE_NET, ROLE_SCAN,
	ROLE_WORKER, ROLE_CTL, ROLE_CHECK };

/* One role of a set. */
static enum role
any(unsigned int set)
{
	return (enum role)(set & -set);
}

static const char *
refusal(const struct row *r, size_t len, size_t nfds)
{
	struct msg_hdr h = { r->type, (uint16_t)nfds, (uint32_t)len };

	return msg_violation(&h, len, nfds, any(r->from), any(r->to));
}

static void
types_are_unique_and_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNTOF(rows); i++) {
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(rows[i].type, rows[j].type);
		assert_string_equal(msg_name(rows[i].type), rows[i].name);
		assert_int_equal(msg_payload_size(rows[i].type), rows[i].size);
		assert_true(rows[i].maxfd <= MSG_MAX_FDS);
		assert_true(rows[i].minfd <= rows[i].maxfd);
		assert_true(
		    sizeof(struct msg_hdr) + rows[i].size + rows[i].tail <=
		    MSG_MAX_LEN);
	}
	assert_string_equal(msg_name(0), "?");
	assert_int_equal(msg_payload_size(0), 0);
}

static void
every_direction_but_the_right_ones_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNTOF(rows); i++) {
		const struct row *r = &rows[i];
		struct msg_hdr h = { r->type, (uint16_t)r->minfd,
			(uint32_t)r->size };

		for (size_t a = 0; a < COUNTOF(roles); a++)
			for (size_t b = 0; b < COUNTOF(roles); b++) {
				bool right = (r->from & roles[a]) != 0 &&
					     (r->to & roles[b]) != 0;

				assert_true(right == (msg_violation(&h, r->size,
							  r->minfd, roles[a],
							  roles[b]) == NULL));
			}
	}
}

/* Nobody but the parent starts children; only workers give results. */
static void
directions_that_must_never_be(void **state)
{
	static const struct {
		uint16_t type;
		enum role from, to;
	} bad[] = { { MSG_SCAN_RESULT, ROLE_NET, ROLE_PARENT },
		{ MSG_SCAN_RESULT, ROLE_WORKER, ROLE_PARENT },
		{ MSG_WORKER, ROLE_WORKER, ROLE_NET },
		{ MSG_OVERDUE, ROLE_WORKER, ROLE_SCAN },
		{ MSG_RELOAD_DB, ROLE_NET, ROLE_PARENT },
		{ MSG_LOADED, ROLE_NET, ROLE_PARENT },
		{ MSG_CONF, ROLE_NET, ROLE_SCAN },
		{ MSG_STUCK, ROLE_CTL, ROLE_PARENT },
		{ MSG_READY, ROLE_SCAN, ROLE_PARENT } };
	(void)state;
	for (size_t i = 0; i < COUNTOF(bad); i++) {
		size_t size = msg_payload_size(bad[i].type);
		struct msg_hdr h = { bad[i].type, 0, (uint32_t)size };

		for (uint16_t n = 0; n <= MSG_MAX_FDS; n++) {
			h.nfds = n;
			assert_non_null(
			    msg_violation(&h, size, n, bad[i].from, bad[i].to));
		}
	}
}

static void
every_size_but_the_right_ones_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNTOF(rows); i++) {
		const struct row *r = &rows[i];

		for (size_t len = 0; len < r->size; len++)
			assert_non_null(refusal(r, len, r->minfd));
		assert_null(refusal(r, r->size, r->minfd));
		assert_null(refusal(r, r->size + r->tail, r->minfd));
		assert_non_null(refusal(r, r->size + r->tail + 1, r->minfd));
		if (r->tail > 0)
			assert_null(refusal(r, r->size + 1, r->minfd));
	}
}

static void
header_must_tell_the_truth(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNTOF(rows); i++) {
		const struct row *r = &rows[i];
		struct msg_hdr h = { r->type, (uint16_t)r->minfd,
			(uint32_t)r->size };
		enum role from = any(r->from), to = any(r->to);

		h.len = UINT32_MAX;
		assert_non_null(msg_violation(&h, r->size, r->minfd, from, to));
		h.len = (uint32_t)r->size + 1;
		assert_non_null(msg_violation(&h, r->size, r->minfd, from, to));
		h.len = (uint32_t)r->size;
		h.nfds++;
		assert_non_null(msg_violation(&h, r->size, r->minfd, from, to));
	}
}

static void
every_wrong_descriptor_count_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNTOF(rows); i++) {
		const struct row *r = &rows[i];

		for (size_t n = 0; n < 4; n++)
			assert_true((n >= r->minfd && n <= r->maxfd) ==
				    (refusal(r, r->size, n) == NULL));
	}
}

static void
unknown_types_are_refused(void **state)
{
	(void)state;
	for (unsigned int type = 0; type <= UINT16_MAX; type++) {
		struct msg_hdr h = { (uint16_t)type, 0, 0 };
		bool known = false;

		for (size_t i = 0; i < COUNTOF(rows); i++)
			known = known || rows[i].type == type;
		if (!known)
			assert_non_null(
			    msg_violation(&h, 0, 0, ROLE_PARENT, ROLE_NET));
	}
}

/* ---- results of a hijacked worker ---- */

static struct msg_scan_result
good_result(void)
{
	struct msg_scan_result r;

	memset(&r, 0, sizeof(r));
	r.scan_id = 7;
	r.complete = 1;
	r.reason = OUTCOME_NONE;
	(void)str_copy(r.type, sizeof(r.type), SLICE_LIT("CL_TYPE_ZIP"));
	return r;
}

static struct scan_finding
good_finding(void)
{
	struct scan_finding f;

	memset(&f, 0, sizeof(f));
	f.outcome = OUTCOME_INFECTED;
	(void)str_copy(f.name, sizeof(f.name), SLICE_LIT("Eicar-Signature"));
	return f;
}

static int
check(const struct msg_scan_result *r, const struct scan_finding *f, size_t n)
{
	struct scan_answer out;

	return msg_scan_result_check(
	    r, (struct slice){ (const char *)f, n * sizeof(*f) }, &out);
}

static void
a_good_result_is_taken_whole(void **state)
{
	struct msg_scan_result r = good_result();
	struct scan_finding f[SCAN_MAX_FINDINGS];
	struct scan_answer out;

	(void)state;
	for (size_t i = 0; i < COUNTOF(f); i++)
		f[i] = good_finding();
	f[15].outcome = OUTCOME_PUA;
	r.nfindings = SCAN_MAX_FINDINGS;
	r.dropped = 3;
	r.final = 1;
	r.wall_us = 11;
	r.cpu_us = 12;
	assert_int_equal(
	    msg_scan_result_check(
		&r, (struct slice){ (const char *)f, sizeof(f) }, &out),
	    0);
	assert_int_equal(out.nfindings, SCAN_MAX_FINDINGS);
	assert_int_equal(out.findings[15].outcome, OUTCOME_PUA);
	assert_string_equal(out.findings[0].name, "Eicar-Signature");
	assert_string_equal(out.type, "CL_TYPE_ZIP");
	assert_int_equal(out.dropped, 3);
	assert_int_equal(out.final, 1);
	assert_int_equal(out.wall_us, 11);
	assert_int_equal(out.cpu_us, 12);
}

static void
counts_must_fit_the_tail(void **state)
{
	struct msg_scan_result r = good_result();
	struct scan_finding f[SCAN_MAX_FINDINGS + 1];

	(void)state;
	for (size_t i = 0; i < COUNTOF(f); i++)
		f[i] = good_finding();
	assert_int_equal(check(&r, f, 0), 0);
	assert_int_equal(check(&r, f, 1), -1);
	r.nfindings = 1;
	assert_int_equal(check(&r, f, 0), -1);
	assert_int_equal(check(&r, f, 1), 0);
	assert_int_equal(check(&r, f, 2), -1);
	r.nfindings = SCAN_MAX_FINDINGS + 1;
	assert_int_equal(check(&r, f, SCAN_MAX_FINDINGS + 1), -1);
	r.nfindings = UINT32_MAX;
	assert_int_equal(check(&r, f, SCAN_MAX_FINDINGS), -1);
}

/* Complete and reason together: never both, never neither. */
static void
reasons_must_be_real(void **state)
{
	struct msg_scan_result r = good_result();

	(void)state;
	for (uint32_t o = 0; o < NOUTCOMES + 3; o++) {
		r.complete = 1;
		r.reason = o;
		assert_int_equal(
		    check(&r, NULL, 0), o == OUTCOME_NONE ? 0 : -1);
		r.complete = 0;
		assert_int_equal(check(&r, NULL, 0),
		    o != OUTCOME_NONE && o != OUTCOME_CLEAN && o < NOUTCOMES
			? 0
			: -1);
	}
	r = good_result();
	r.complete = 2;
	assert_int_equal(check(&r, NULL, 0), -1);
	r = good_result();
	r.final = 2;
	assert_int_equal(check(&r, NULL, 0), -1);
}

static void
findings_must_have_an_outcome(void **state)
{
	struct msg_scan_result r = good_result();
	struct scan_finding f = good_finding();

	(void)state;
	r.nfindings = 1;
	for (uint32_t o = 0; o < NOUTCOMES + 3; o++) {
		f.outcome = o;
		assert_int_equal(check(&r, &f, 1),
		    o != OUTCOME_NONE && o != OUTCOME_CLEAN && o < NOUTCOMES
			? 0
			: -1);
	}
	f.outcome = UINT32_MAX;
	assert_int_equal(check(&r, &f, 1), -1);
}

/* Texts end in their field and hold nothing that could break a log line. */
static void
try_text(
    struct msg_scan_result *r, struct scan_finding *f, char *text, size_t size)
{
	static const char bad[] = "\r\n\t\x01\x1b\x7f\x80\xff";

	memset(text, 'a', size);
	assert_int_equal(check(r, f, 1), -1);
	text[size - 1] = '\0';
	assert_int_equal(check(r, f, 1), 0);
	for (size_t i = 0; i < sizeof(bad) - 1; i++) {
		text[size / 2] = bad[i];
		assert_int_equal(check(r, f, 1), -1);
	}
	memset(text, 0, size);
	assert_int_equal(check(r, f, 1), 0);
}

static void
texts_must_be_clean(void **state)
{
	struct msg_scan_result r = good_result();
	struct scan_finding f = good_finding();

	(void)state;
	r.nfindings = 1;
	try_text(&r, &f, r.text, sizeof(r.text));
	try_text(&r, &f, r.type, sizeof(r.type));
	try_text(&r, &f, f.name, sizeof(f.name));
	try_text(&r, &f, f.part, sizeof(f.part));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types_are_unique_and_named),
		cmocka_unit_test(every_direction_but_the_right_ones_is_refused),
		cmocka_unit_test(directions_that_must_never_be),
		cmocka_unit_test(every_size_but_the_right_ones_is_refused),
		cmocka_unit_test(header_must_tell_the_truth),
		cmocka_unit_test(every_wrong_descriptor_count_is_refused),
		cmocka_unit_test(unknown_types_are_refused),
		cmocka_unit_test(a_good_result_is_taken_whole),
		cmocka_unit_test(counts_must_fit_the_tail),
		cmocka_unit_test(reasons_must_be_real),
		cmocka_unit_test(findings_must_have_an_outcome),
		cmocka_unit_test(texts_must_be_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
