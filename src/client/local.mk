noinst_LIBRARIES += src/libbench.a
src_libbench_a_SOURCES = src/client/bench.h src/client/bench_int.h \
  src/client/bench_counters.def src/client/bench_faults.def src/client/bench_kinds.def \
  src/client/bench_opts.def src/client/bench_hist.h src/client/bench_hist.c \
  src/client/bench_object.h src/client/bench_object.c src/client/bench_coded.c \
  src/client/bench_feed.h src/client/bench_feed.c src/client/bench_reply.h \
  src/client/bench_reply.c src/client/bench_conn.c src/client/bench_run.c \
  src/client/bench_report.c src/client/bench_opts.h src/client/bench_opts.c
BENCH_LIBS = src/libbench.a $(PROTO_LIBS) $(ZLIB_LIBS) $(ZSTD_LIBS) $(BROTLIENC_LIBS) -lm
noinst_PROGRAMS += src/tolsey-bench
src_tolsey_bench_SOURCES = src/client/bench_main.c
src_tolsey_bench_LDADD = $(BENCH_LIBS)
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_bench
TESTS += tests/unit/test_bench
tests_unit_test_bench_SOURCES = tests/unit/test_bench.c
tests_unit_test_bench_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_bench_LDADD = $(BENCH_LIBS) $(BROTLI_LIBS) $(CMOCKA_LIBS)
endif
