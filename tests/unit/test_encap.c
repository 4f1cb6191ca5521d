/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/encap.h"

static void
good(const char *value, uint64_t req, uint64_t res, enum encap_body body,
    uint64_t heads)
{
	struct encap e;

	assert_int_equal(encap_parse(&e, slice_of(value)), PROTO_OK);
	assert_int_equal(e.req_hdr_len, req);
	assert_int_equal(e.res_hdr_len, res);
	assert_int_equal(e.body, body);
	assert_int_equal(e.heads_len, heads);
}

static void
bad(const char *value)
{
	struct encap e;
	enum proto_err err = encap_parse(&e, slice_of(value));

	if (err != PROTO_ERR_BAD_ENCAPSULATED)
		print_error("accepted: '%s'\n", value);
	assert_int_equal(err, PROTO_ERR_BAD_ENCAPSULATED);
}

/* The legal lists of RFC 3507 4.4.1 with errata E1 and E4. */
static void
legal_lists(void **state)
{
	(void)state;
	good("req-hdr=0, req-body=412", 412, 0, ENCAP_REQ_BODY, 412);
	good("req-hdr=0, null-body=170", 170, 0, ENCAP_NULL_BODY, 170);
	good("req-hdr=0, res-hdr=137, res-body=296", 137, 159, ENCAP_RES_BODY,
	    296);
	good("res-hdr=0, res-body=19", 0, 19, ENCAP_RES_BODY, 19);
	good("res-hdr=0, null-body=19", 0, 19, ENCAP_NULL_BODY, 19);
	good(
	    "req-hdr=0, res-hdr=27, null-body=46", 27, 19, ENCAP_NULL_BODY, 46);
	good("null-body=0", 0, 0, ENCAP_NULL_BODY, 0);
	good("opt-body=0", 0, 0, ENCAP_OPT_BODY, 0);
	good("req-body=0", 0, 0, ENCAP_REQ_BODY, 0); /* EN-06 */
	good("res-body=0", 0, 0, ENCAP_RES_BODY, 0);
}

static void
elements(void **state)
{
	(void)state;
	bad(""); /* 22 */
	bad(" , ,");
	bad("res-hdr=0"); /* 26 */
	bad("res-hdr=-1, res-body=0");
	bad("res-hdr=+0, res-body=5");
	bad("foo=0, res-body=0");
	bad("res-body=0x10");
	bad("res-body");
	bad("res-body=");
	bad("=0");
	bad("res-body= 0");
	bad("res-body =0");
	bad("res-hdr=0; res-body=5");
	bad("res-hdr=0, res-body=5x");
	bad("res-hdr=0, res-body==5");
	bad("res-body=00000000000"); /* 11 digits */
	bad("res-hdr=0, res-body=99999999999");
	good("res-hdr=0, res-body=9999999999", 0, UINT64_C(9999999999),
	    ENCAP_RES_BODY, UINT64_C(9999999999));
	good("res-hdr=0, res-body=0000000019", 0, 19, ENCAP_RES_BODY, 19);
}

static void
nul_inside(void **state)
{
	struct encap e;

	(void)state;
	assert_int_equal(encap_parse(&e, SLICE_LIT("res-body=0\0")),
	    PROTO_ERR_BAD_ENCAPSULATED);
	assert_int_equal(encap_parse(&e, SLICE_LIT("res-\0body=0")),
	    PROTO_ERR_BAD_ENCAPSULATED);
}

/* EN-03 */
static void
separators(void **state)
{
	(void)state;
	good("req-hdr=0 res-hdr=27 res-body=46", 27, 19, ENCAP_RES_BODY, 46);
	good("req-hdr=0,res-hdr=27,res-body=46", 27, 19, ENCAP_RES_BODY, 46);
	good("req-hdr=0\t,, res-hdr=27 ,\tres-body=46,", 27, 19, ENCAP_RES_BODY,
	    46);
	good("Res-Hdr=0,RES-BODY=19", 0, 19, ENCAP_RES_BODY, 19); /* 31 */
}

/* EN-04 */
static void
order(void **state)
{
	(void)state;
	bad("res-hdr=5, res-body=24");             /* 23 */
	bad("req-hdr=0, res-hdr=40, res-body=20"); /* 24 */
	bad("res-body=0, res-hdr=0");              /* 25 */
	bad("res-hdr=0, req-hdr=50, res-body=90");
	bad("req-hdr=0, req-hdr=9, req-body=9");
	bad("res-hdr=0, res-hdr=0, res-body=9");
	bad("req-hdr=0, req-body=9, res-hdr=20, res-body=30"); /* EN-07 */
	bad("res-hdr=0, res-body=9, null-body=9");
	bad("res-body=1");
	bad("null-body=1");
}

/* EN-05 */
static void
empty_sections(void **state)
{
	(void)state;
	good("res-hdr=0, res-body=0", 0, 0, ENCAP_RES_BODY, 0);
	good("req-hdr=0, res-hdr=0, res-body=19", 0, 19, ENCAP_RES_BODY, 19);
	good("req-hdr=0, res-hdr=27, res-body=27", 27, 0, ENCAP_RES_BODY, 27);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(legal_lists),
		cmocka_unit_test(elements),
		cmocka_unit_test(nul_inside),
		cmocka_unit_test(separators),
		cmocka_unit_test(order),
		cmocka_unit_test(empty_sections),
	};

	return cmocka_run_group_tests_name("encap", tests, NULL, NULL);
}
