/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * Two findings in one object, in a zip, a gzip and a form, in both orders:
 * neither hides the other, and the stricter action is what counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "service/policy.h"
#include "tests/unit/complete_util.h"
#include "tests/unit/pack_util.h"

#define MAX_FILE (1u << 20)

static struct engine *e;
static struct conf_service service;

/* An object for every outcome that contents can have. */
struct sample {
	enum outcome outcome;
	struct buf b;
};
static struct sample samples[] = {
	{ .outcome = OUTCOME_INFECTED },
	{ .outcome = OUTCOME_FAILED },
	{ .outcome = OUTCOME_LIMIT },
	{ .outcome = OUTCOME_OPAQUE_ARCHIVE },
	{ .outcome = OUTCOME_ENCRYPTED },
	{ .outcome = OUTCOME_PUA },
	{ .outcome = OUTCOME_SUSPICIOUS },
	{ .outcome = OUTCOME_OPAQUE_MEDIA },
};

static void
text(struct buf *b, const char *marker)
{
	pack_behind(b, SLICE_LIT("a text, and in it: "), slice_of(marker));
}

static void
add_frames(struct buf *b)
{
	char frame[417] = "\xff\xfb\x90\x64";

	pack_behind(b, SLICE_LIT("ID3\3\0\0\0\0\0\4TIT2"), SLICE_NONE);
	for (int i = 0; i < 6; i++)
		assert_int_equal(buf_append(b, frame, sizeof(frame)), 0);
}

static void
make(struct sample *s)
{
	static const char harmless[] = "Goods were held and judged.";
	struct slice good = { harmless, sizeof(harmless) - 1 };
	struct pack_member zeros = { "zeros", { NULL, MAX_FILE + 1 }, 0 };
	struct pack_member m = { "m", good, 0 };

	switch (s->outcome) {
	case OUTCOME_INFECTED:
		text(&s->b, MARKER);
		break;
	case OUTCOME_FAILED: /* the library reports what it cannot read */
		pack_archive(&s->b, NULL, "xz", NULL, &m, 1);
		memset(s->b.p + 14, 0x55, 10);
		break;
	case OUTCOME_LIMIT:
		zeros.data.p = calloc(1, zeros.data.len);
		assert_non_null(zeros.data.p);
		pack_archive(&s->b, NULL, "zstd", NULL, &zeros, 1);
		free((void *)(uintptr_t)zeros.data.p);
		break;
	case OUTCOME_OPAQUE_ARCHIVE:
		pack_rar(&s->b, 5, good, PACK_UNKNOWN);
		break;
	case OUTCOME_ENCRYPTED:
		pack_rar(&s->b, 5, good, PACK_ENCRYPTED);
		break;
	case OUTCOME_PUA:
		text(&s->b, PUA_MARKER);
		break;
	case OUTCOME_SUSPICIOUS:
		text(&s->b, ODD_MARKER);
		break;
	default:
		add_frames(&s->b);
		break;
	}
}

typedef void (*pack)(struct buf *b, struct slice one, struct slice two);

static void
in_zip(struct buf *b, struct slice one, struct slice two)
{
	struct pack_member m[] = { { "one.bin", one, 0 },
		{ "two.bin", two, 0 } };

	pack_zip(b, SLICE_NONE, m, 2, 0);
}

/* The same where the engine does not open it. */
static void
in_zip64(struct buf *b, struct slice one, struct slice two)
{
	struct pack_member m[] = { { "one.bin", one, PACK_ZIP64 },
		{ "two.bin", two, PACK_ZIP64 } };

	pack_zip(b, SLICE_NONE, m, 2, 0);
}

static void
in_gzip(struct buf *b, struct slice one, struct slice two)
{
	struct pack_member m[] = { { "one.bin", one, 0 },
		{ "two.bin", two, 0 } };

	pack_archive(b, "ustar", "gzip", NULL, m, 2);
}

static void
add_part(struct buf *b, const char *name, struct slice data)
{
	assert_int_equal(
	    buf_printf(b,
		"--cut\r\nContent-Disposition: form-data; name=\"%s\"; "
		"filename=\"%s.bin\"\r\nContent-Type: "
		"application/octet-stream\r\n\r\n",
		name, name),
	    0);
	assert_int_equal(buf_append(b, data.p, data.len), 0);
	assert_int_equal(buf_append(b, "\r\n", 2), 0);
}

static void
in_form(struct buf *b, struct slice one, struct slice two)
{
	pack_behind(b, SLICE_NONE, SLICE_NONE);
	add_part(b, "one", one);
	add_part(b, "two", two);
	assert_int_equal(buf_append(b, "--cut--\r\n", 9), 0);
}

static const struct {
	const char *name;
	pack pack;
	const char *declared;
} containers[] = {
	{ "zip", in_zip, "" },
	{ "zip64", in_zip64, "" },
	{ "gzip", in_gzip, "" },
	{ "form", in_form, "multipart/form-data; boundary=cut" },
};

static struct scan_answer
scan_in(size_t container, struct slice one, struct slice two)
{
	struct msg_scan_request rq = { .kind = SCAN_WHOLE,
		.budget_us = 60 * 1000000,
		.opts = default_opts() };
	struct scan_answer a;
	struct buf b;

	containers[container].pack(&b, one, two);
	rq.opts.max_file_size = MAX_FILE;
	rq.size = b.len;
	(void)str_copy(rq.declared, sizeof(rq.declared),
	    slice_of(containers[container].declared));
	views_scan(e, &rq, buf_slice(&b), &a);
	buf_free(&b);
	return a;
}

static bool
says(const struct scan_answer *a, enum outcome o)
{
	return (a->complete == 0 && a->reason == (uint32_t)o) || has(a, o, "");
}

static void
set_actions(
    enum outcome strict, enum action strict_action, enum action other_action)
{
	for (unsigned int o = OUTCOME_NONE + 1; o < NOUTCOMES; o++)
		service.actions[o] = other_action;
	service.actions[OUTCOME_CLEAN] = ACTION_PASS;
	service.actions[strict] = strict_action;
}

static void
stricter_wins(const struct scan_answer *a, enum outcome one, enum outcome two)
{
	static const enum action pairs[][2] = { { ACTION_BLOCK, ACTION_PASS },
		{ ACTION_BLOCK, ACTION_ERROR }, { ACTION_ERROR, ACTION_PASS } };
	struct verdict v;

	for (size_t i = 0; i < COUNTOF(pairs); i++) {
		set_actions(one, pairs[i][0], pairs[i][1]);
		policy_scan_verdict(&v, &service, a, 0);
		assert_int_equal(v.outcome, one);
		assert_int_equal(v.action, pairs[i][0]);
		set_actions(two, pairs[i][0], pairs[i][1]);
		policy_scan_verdict(&v, &service, a, 0);
		assert_int_equal(v.outcome, two);
		assert_int_equal(v.action, pairs[i][0]);
	}
	/* equally strict: the first of the table */
	set_actions(one, ACTION_BLOCK, ACTION_BLOCK);
	policy_scan_verdict(&v, &service, a, 0);
	assert_int_equal(v.outcome, one < two ? one : two);
	set_actions(one, ACTION_PASS, ACTION_PASS);
	policy_scan_verdict(&v, &service, a, 0);
	assert_int_not_equal(v.outcome, OUTCOME_CLEAN);
}

static void
try_pair(size_t container, const struct sample *one, const struct sample *two)
{
	struct scan_answer a =
	    scan_in(container, buf_slice(&one->b), buf_slice(&two->b));

	if (!says(&a, one->outcome) || !says(&a, two->outcome))
		fail_msg("%s of %s and %s: %s", containers[container].name,
		    outcome_info(one->outcome)->word,
		    outcome_info(two->outcome)->word, describe(&a));
	stricter_wins(&a, one->outcome, two->outcome);
}

static void
test_pairs(void **state)
{
	(void)state;
	for (size_t c = 0; c < COUNTOF(containers); c++)
		for (size_t i = 0; i < COUNTOF(samples); i++)
			for (size_t k = 0; k < COUNTOF(samples); k++)
				if (i != k)
					try_pair(c, &samples[i], &samples[k]);
}

/* What is clean beside it changes nothing. */
static void
test_with_clean(void **state)
{
	struct slice good = SLICE_LIT("Goods were held and judged before.");
	struct scan_answer a;

	(void)state;
	for (size_t c = 0; c < COUNTOF(containers); c++) {
		a = scan_in(c, good, good);
		if (!is_clean(&a))
			fail_msg("%s: %s", containers[c].name, describe(&a));
		for (size_t i = 0; i < COUNTOF(samples); i++)
			for (int first = 0; first < 2; first++) {
				struct slice s = buf_slice(&samples[i].b);

				a = first ? scan_in(c, s, good)
					  : scan_in(c, good, s);
				if (!says(&a, samples[i].outcome))
					fail_msg("%s: %s", containers[c].name,
					    describe(&a));
			}
	}
}

/* What a coding hides, and what is in what could be decoded of it. */
static void
test_broken_coding(void **state)
{
	struct pack_member m = { "m", { NULL, 1 << 18 }, 0 };
	struct msg_scan_request rq = { .kind = SCAN_WHOLE,
		.budget_us = 60 * 1000000,
		.opts = default_opts(),
		.ncodings = 1,
		.codings = { SCAN_CODING_GZIP } };
	struct scan_answer a;
	struct buf b;
	char *p = calloc(1, m.data.len);

	(void)state;
	assert_non_null(p);
	for (size_t i = 0; i < m.data.len; i++)
		p[i] = (char)('a' + i * i % 23);
	memcpy(p, MARKER, strlen(MARKER));
	m.data.p = p;
	pack_archive(&b, NULL, "gzip", NULL, &m, 1);
	rq.size = b.len - 100;
	views_scan(e, &rq, (struct slice){ b.p, b.len - 100 }, &a);
	assert_true(says(&a, OUTCOME_INFECTED));
	assert_true(says(&a, OUTCOME_UNDECODABLE));
	stricter_wins(&a, OUTCOME_INFECTED, OUTCOME_UNDECODABLE);
	buf_free(&b);
	free(p);
}

/* More findings than an answer holds: none of them is lost for good. */
static void
test_many(void **state)
{
	struct pack_member m[30];
	char names[COUNTOF(m)][8];
	struct scan_answer a;
	struct verdict v;
	struct buf b;

	(void)state;
	for (size_t i = 0; i < COUNTOF(m); i++) {
		(void)snprintf(names[i], sizeof(names[i]), "m%zu", i);
		m[i] = (struct pack_member){ names[i],
			buf_slice(&samples[i + 1 < COUNTOF(m) ? 7 : 0].b), 0 };
	}
	pack_zip(&b, SLICE_NONE, m, COUNTOF(m), 0);
	a = view(e, buf_slice(&b), NULL);
	assert_int_equal(a.nfindings, SCAN_MAX_FINDINGS);
	assert_true(a.dropped > 0);
	/* 29 that pass, and one that is infected behind them */
	set_actions(OUTCOME_OPAQUE_MEDIA, ACTION_PASS, ACTION_BLOCK);
	policy_scan_verdict(&v, &service, &a, 0);
	assert_int_equal(v.action, ACTION_BLOCK);
	buf_free(&b);
}

static int
set_up(void **state)
{
	if (make_root(state) != 0)
		return -1;
	e = open_complete_db();
	for (size_t i = 0; i < COUNTOF(samples); i++)
		make(&samples[i]);
	return 0;
}

static int
tear_down(void **state)
{
	for (size_t i = 0; i < COUNTOF(samples); i++)
		buf_free(&samples[i].b);
	engine_close(&e);
	return remove_root(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_with_clean),
		cmocka_unit_test(test_broken_coding),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
