/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "engine/unpack/embedded.h"
#include "engine/unpack/transfer.h"

/* 72 digits: "A file that is long enough to be found inside of a text, 1234567"
 */
#define B64 "QSBmaWxlIHRoYXQgaXMgbG9uZyBlbm91Z2ggdG8gYmUgZm91bmQgaW5zaWRlIG9m"
#define PLAIN "A file that is long enough to be found inside of"

static enum decode_rc
into_buf(void *ctx, const void *p, size_t len)
{
	return buf_append(ctx, p, len) == 0 ? DECODE_OK : DECODE_SYSTEM;
}

typedef enum decode_rc (*decoder)(struct slice in, decode_sink sink, void *ctx);

static void
decodes(decoder d, const char *in, const char *want)
{
	char *copy = malloc(strlen(in) + 1);
	struct buf out;

	assert_non_null(copy);
	memcpy(copy, in, strlen(in));
	buf_init(&out, 1 << 20);
	assert_int_equal(
	    d((struct slice){ copy, strlen(in) }, into_buf, &out), DECODE_OK);
	assert_string_equal(buf_cstr(&out), want);
	assert_true(out.len <= strlen(in));
	buf_free(&out);
	free(copy);
}

static enum decode_rc
form(struct slice in, decode_sink sink, void *ctx)
{
	return transfer_percent(in, true, sink, ctx);
}

static void
transfers(void **state)
{
	(void)state;
	decodes(transfer_base64, "", "");
	decodes(transfer_base64, "YQ==", "a");
	decodes(transfer_base64, "YQ", "a");
	decodes(transfer_base64, "YWI=", "ab");
	decodes(transfer_base64, "Y", "");
	decodes(transfer_base64, "YW\r\nJj\n", "abc");
	decodes(transfer_base64, "Y!W@J#j", "abc");
	decodes(transfer_base64, "YQ==YmM=", "abc");
	decodes(transfer_base64, "fn5-fn5_", "~~~~~\x7f");
	decodes(transfer_base64, "fn5\\u002bfn5\\/", "~~~~~\x7f");
	decodes(transfer_base64, "fn5%2Bfn5%2f", "~~~~~\x7f");
	decodes(transfer_base64, "fn5&#43;fn5&#x2F;", "~~~~~\x7f");
	decodes(transfer_base64, "YW\\r\\nJj\\", "abc");
	decodes(transfer_base64, "YW%0d%0aJj%", "abc");
	decodes(transfer_quoted_printable, "a=3Db=20=\r\nc=\n=\n", "a=b c");
	decodes(transfer_quoted_printable, "a=3db= \t\r\nc", "a=bc");
	decodes(transfer_quoted_printable, "a=XYb=", "a=XYb");
	decodes(form, "a+b%20c%2", "a b c%2");
	decodes(form, "%41%zz%", "A%zz%");
}

/* "name:decoded|..." of everything that is found. */
static void
finds(const char *text, const char *want)
{
	char *copy = malloc(strlen(text) + 1);
	struct embedded e;
	struct embedded_item it;
	struct buf out;

	assert_non_null(copy);
	memcpy(copy, text, strlen(text));
	buf_init(&out, 1 << 20);
	embedded_begin(&e, (struct slice){ copy, strlen(text) });
	while (embedded_next(&e, &it)) {
		(void)buf_printf(
		    &out, "%s%s:", out.len > 0 ? "|" : "", it.name);
		assert_int_equal(
		    it.how == EMBEDDED_BASE64
			? transfer_base64(it.raw, into_buf, &out)
			: transfer_percent(it.raw, false, into_buf, &out),
		    DECODE_OK);
	}
	assert_string_equal(buf_cstr(&out), want);
	buf_free(&out);
	free(copy);
}

static void
members(void **state)
{
	(void)state;
	finds("", "");
	finds("{\"file\":\"" B64 "\"}", "file:" PLAIN);
	finds("{\"file\" : \n\t\"" B64 "==\", \"b\": \"" B64 "\"}",
	    "file:" PLAIN "|b:" PLAIN);
	finds("[\"" B64 "\",\n \"" B64 "\"]", ":" PLAIN "|:" PLAIN);
	finds("<data>\n  " B64 "\n</data>", "data:" PLAIN);
	finds("x = '" B64 "'", "x:" PLAIN);
	finds(B64, ":" PLAIN);
	finds("-----BEGIN X-----\n" B64 "\n-----END X-----\n", ":" PLAIN);
	/* escapes inside, and as the first digit */
	finds(
	    "{\"f\":\"\\/\\/5\\u002bfj5BIGZpbGUgdGhhdCBpcyBsb25nIGVub3VnaCB0byBiZSBmb3VuZCBpbnNpZGUgb2Y=\"}",
	    "f:\xff\xfe~~>" PLAIN);
}

static void
lines(void **state)
{
	static const char half[] =
	    "QSBmaWxlIHRoYXQgaXMgbG9uZyBlbm91Z2ggdG8gYmUg\n"
	    "Zm91bmQgaW5zaWRlIG9m\n";
	static const char crlf[] =
	    "QSBmaWxlIHRoYXQgaXMgbG9uZyBlbm91Z2ggdG8gYmUg\r\n"
	    "\tZm91bmQgaW5zaWRlIG9m";
	static const char escaped[] =
	    "{\"k\":\"QSBmaWxlIHRoYXQg\\naXMgbG9uZyBlbm91Z2gg\\r\\n"
	    "dG8gYmUgZm91bmQgaW5zaWRlIG9m\"}";
	static const char words[] =
	    "abandonment\nabbreviation\nabdication\naberration\nabhorrence\n"
	    "abolition\nabomination\n";

	(void)state;
	finds(half, ":" PLAIN);
	finds(crlf, ":" PLAIN);
	finds(escaped, "k:" PLAIN);
	finds(words, "");
}

/* What is long and of those letters, and yet no file. */
static void
no_files(void **state)
{
	(void)state;
	finds("\"275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651"
	      "fd0f275a021bbfb6489e54d471899f7db9d1663fc695\"",
	    "");
	finds("a/quite/long/path/through/many-folders/that_are/named/by/"
	      "somebody/who/likes/that",
	    "");
	finds("\"QSBmaWxlIHRoYXQgaXMgbm90IGxvbmc\"", "");
	finds("The quick brown fox jumps over the lazy dog, and again it does",
	    "");
}

static void
urls(void **state)
{
	(void)state;
	finds("<img src=\"data:image/png;base64,YWJj\">", "data:image/png:abc");
	finds("url(data:;base64,YWJj)", "data::abc");
	finds("\"DATA:a/b;x=y;BASE64,YWJj\"", "DATA:a/b:abc");
	finds("\"data:image\\/png;base64,YW\\/j\"", "data:image/png:ao\xe3");
	finds("data:a/b;base64,YW\n  Jj", "data:a/b:abc");
	finds("data:a/b;base64,YW%0AJj%3D", "data:a/b:abc");
	finds("data:a/b;base64,", "");
	finds("'data:text/html,%3Cscript%3Ealert(1'",
	    "data:text/html:<script>alert(1");
	finds("data:,0123456789abcdefg", "data::0123456789abcdefg");
	finds("data:,012", "");
	/* programs and texts about data */
	finds("{data:e,success:function(a){return-a}}", "");
	finds("some data: one, two, three and a few more to come", "");
	finds("metadata:a/b;base64,YWJj", "");
	finds("\"data\": \"text/plain, that is all there is\"", "");
}

static void
forms(void **state)
{
	struct slice rest = SLICE_LIT("a=1&b=x%3Dy&&c&=d&e="), n, v;
	char got[64] = "";

	(void)state;
	while (embedded_next_field(&rest, &n, &v))
		(void)snprintf(got + strlen(got), sizeof(got) - strlen(got),
		    "(%.*s|%.*s)", SLICE_FMT(n), SLICE_FMT(v));
	assert_string_equal(got, "(a|1)(b|x%3Dy)(|)(|c)(|d)(e|)");
	assert_true(embedded_is_form(SLICE_LIT("a=1&b=2")));
	assert_true(embedded_is_form(SLICE_LIT("a[x]=1%20+2\r\n")));
	assert_true(embedded_is_form(SLICE_LIT("a=")));
	assert_false(embedded_is_form(SLICE_LIT("")));
	assert_false(embedded_is_form(SLICE_LIT("=a")));
	assert_false(embedded_is_form(SLICE_LIT("{\"a\":\"b=\"}")));
	assert_false(embedded_is_form(SLICE_LIT("a = 1")));
	assert_false(embedded_is_form(SLICE_LIT("a=1\nb=2\n")));
	assert_false(embedded_is_form(SLICE_LIT("abc")));
	assert_true(embedded_is_text(SLICE_LIT("a\tb\r\n\xc3\xa4")));
	assert_false(embedded_is_text(SLICE_LIT("a\0b")));
	assert_true(embedded_is_text(SLICE_NONE));
}

static void
cut_and_changed(void **state)
{
	static const char text[] =
	    "{\"a\":\"" B64 "\",\"u\":\"data:a\\/b;base64,YWJj\"}\n<x>" B64
	    "\n" B64 "</x> data:,%41%42%43%44%45%46%47%48 " B64;
	static const char with[] = "\\%&\"=\n:,;<\0d";
	char copy[sizeof(text)];
	struct embedded_item it;
	struct embedded e;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++) {
		embedded_begin(&e, (struct slice){ text, i });
		while (embedded_next(&e, &it))
			assert_true(it.raw.p + it.raw.len <= text + i);
	}
	for (size_t i = 0; i + 1 < sizeof(text); i++)
		for (size_t w = 0; w < sizeof(with); w++) {
			memcpy(copy, text, sizeof(text));
			copy[i] = with[w];
			embedded_begin(
			    &e, (struct slice){ copy, sizeof(copy) - 1 });
			while (embedded_next(&e, &it))
				assert_true(it.raw.p >= copy);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transfers),
		cmocka_unit_test(members),
		cmocka_unit_test(lines),
		cmocka_unit_test(no_files),
		cmocka_unit_test(urls),
		cmocka_unit_test(forms),
		cmocka_unit_test(cut_and_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
