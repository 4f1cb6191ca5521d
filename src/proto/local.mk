noinst_LIBRARIES += src/libproto.a
src_libproto_a_SOURCES = src/proto/errors.def src/proto/errors.h src/proto/errors.c \
  src/proto/encap.h src/proto/encap.c src/proto/icap_head.h src/proto/icap_head.c \
  src/proto/http_head.h src/proto/http_head.c src/proto/http_range.h src/proto/http_range.c src/proto/chunk.h src/proto/chunk.c \
  src/proto/icap_rx.h src/proto/icap_rx.c src/proto/icap_out.h src/proto/icap_out.c
src_libproto_a_SOURCES += src/proto/proxy_head.h src/proto/proxy_head.c \
  src/proto/identity.h src/proto/identity.c \
  src/proto/icap_answer.h src/proto/icap_answer.c
PROTO_LIBS = src/libproto.a $(BASE_LIBS)

if HAVE_CMOCKA
PROTO_TESTS = tests/unit/test_identity tests/unit/test_encap tests/unit/test_chunk tests/unit/test_icap_rx \
  tests/unit/test_icap_head tests/unit/test_icap_out tests/unit/test_http_head tests/unit/test_http_range
check_PROGRAMS += $(PROTO_TESTS)
TESTS += $(PROTO_TESTS)
tests_unit_test_identity_SOURCES = tests/unit/test_identity.c
tests_unit_test_identity_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_identity_LDADD = $(PROTO_LIBS) $(CMOCKA_LIBS)
tests_unit_test_encap_SOURCES = tests/unit/test_encap.c
tests_unit_test_encap_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_encap_LDADD = $(PROTO_LIBS) $(CMOCKA_LIBS)
tests_unit_test_chunk_SOURCES = tests/unit/test_chunk.c
tests_unit_test_chunk_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_chunk_LDADD = $(PROTO_LIBS) $(CMOCKA_LIBS)
tests_unit_test_icap_rx_SOURCES = tests/unit/test_icap_rx.c tests/unit/rx_trace.h tests/unit/rx_trace.c
tests_unit_test_icap_rx_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_unit_test_icap_rx_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_icap_rx_LDADD = $(PROTO_LIBS) $(CMOCKA_LIBS)
tests_unit_test_icap_head_SOURCES = tests/unit/test_icap_head.c
tests_unit_test_icap_head_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_icap_head_LDADD = $(PROTO_LIBS) $(CMOCKA_LIBS)
tests_unit_test_icap_out_SOURCES = tests/unit/test_icap_out.c
tests_unit_test_icap_out_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_icap_out_LDADD = $(PROTO_LIBS) $(CMOCKA_LIBS)
tests_unit_test_http_range_SOURCES = tests/unit/test_http_range.c
tests_unit_test_http_range_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_http_range_LDADD = $(PROTO_LIBS) $(CMOCKA_LIBS)
tests_unit_test_http_head_SOURCES = tests/unit/test_http_head.c
tests_unit_test_http_head_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_http_head_LDADD = $(PROTO_LIBS) $(CMOCKA_LIBS)
endif
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_icap_answer
TESTS += tests/unit/test_icap_answer
tests_unit_test_icap_answer_SOURCES = tests/unit/test_icap_answer.c
tests_unit_test_icap_answer_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_icap_answer_LDADD = $(PROTO_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/test_proxy_head
TESTS += tests/unit/test_proxy_head
tests_unit_test_proxy_head_SOURCES = tests/unit/test_proxy_head.c
tests_unit_test_proxy_head_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_proxy_head_LDADD = $(PROTO_LIBS) $(CMOCKA_LIBS)
endif
