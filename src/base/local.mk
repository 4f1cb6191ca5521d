noinst_LIBRARIES += src/libbase.a
src_libbase_a_SOURCES = src/base/check.h src/base/check.c src/base/str.h src/base/str.c \
  src/base/buf.h src/base/buf.c src/base/arena.h src/base/arena.c src/base/clock.h src/base/clock.c \
  src/base/timerq.h src/base/timerq.c src/base/hash.h src/base/hash.c src/base/log.h src/base/log.c src/base/log_sink.h src/base/log_sink.c src/base/list.h \
  src/base/idgen.h src/base/idgen.c src/base/outcome.def src/base/outcome.h src/base/outcome.c \
  src/base/scan.h src/base/scan.c src/base/scan_opts.def src/base/metrics.def src/base/metrics.h src/base/metrics.c
src_libbase_a_SOURCES += src/base/sigfile.h src/base/sigfile.c
src_libbase_a_SOURCES += src/base/addr.h src/base/addr.c
src_libbase_a_SOURCES += src/base/prio.h src/base/prio.c
BASE_LIBS = src/libbase.a $(CRYPTO_LIBS)
if HAVE_CMOCKA
BASE_TESTS = tests/unit/test_str tests/unit/test_buf tests/unit/test_arena tests/unit/test_clock tests/unit/test_timerq tests/unit/test_outcome \
  tests/unit/test_idgen tests/unit/test_hash tests/unit/test_metrics tests/unit/test_log
check_PROGRAMS += $(BASE_TESTS)
TESTS += $(BASE_TESTS)
tests_unit_test_str_SOURCES = tests/unit/test_str.c
tests_unit_test_str_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_str_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_test_buf_SOURCES = tests/unit/test_buf.c
tests_unit_test_buf_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_buf_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_test_arena_SOURCES = tests/unit/test_arena.c
tests_unit_test_arena_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_arena_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_test_clock_SOURCES = tests/unit/test_clock.c
tests_unit_test_clock_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_clock_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_test_timerq_SOURCES = tests/unit/test_timerq.c
tests_unit_test_timerq_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_timerq_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_test_outcome_SOURCES = tests/unit/test_outcome.c
tests_unit_test_outcome_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_outcome_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_test_idgen_SOURCES = tests/unit/test_idgen.c
tests_unit_test_idgen_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_idgen_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_test_hash_SOURCES = tests/unit/test_hash.c
tests_unit_test_hash_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_hash_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_test_metrics_SOURCES = tests/unit/test_metrics.c
tests_unit_test_metrics_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_metrics_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_test_log_SOURCES = tests/unit/test_log.c
tests_unit_test_log_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_log_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)
endif
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_sigfile
TESTS += tests/unit/test_sigfile
tests_unit_test_sigfile_SOURCES = tests/unit/test_sigfile.c
tests_unit_test_sigfile_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_sigfile_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/test_addr
TESTS += tests/unit/test_addr
tests_unit_test_addr_SOURCES = tests/unit/test_addr.c
tests_unit_test_addr_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_addr_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)
endif
