noinst_LIBRARIES += src/libbench.a
src_libbench_a_SOURCES = src/client/bench.h src/client/bench_int.h \
  src/client/bench_counters.def src/client/bench_faults.def src/client/bench_kinds.def \
  src/client/bench_hist.h src/client/bench_hist.c \
  src/client/bench_object.h src/client/bench_object.c src/client/bench_coded.c \
  src/client/bench_feed.h src/client/bench_feed.c src/client/bench_reply.h \
  src/client/bench_reply.c src/client/bench_conn.c src/client/bench_run.c \
  src/client/bench_report.c src/client/bench_threads.c
BENCH_LIBS = src/libbench.a $(PROTO_LIBS) $(ZLIB_LIBS) $(ZSTD_LIBS) $(BROTLIENC_LIBS) -lm
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_bench
TESTS += tests/unit/test_bench
tests_unit_test_bench_SOURCES = tests/unit/test_bench.c
tests_unit_test_bench_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_bench_LDADD = $(CLIENT_LIBS) $(BROTLI_LIBS) $(CMOCKA_LIBS)
endif
noinst_LIBRARIES += src/libclient.a
src_libclient_a_SOURCES = src/client/options.def src/client/options.h src/client/options.c \
  src/client/target.h src/client/target.c src/client/source.h src/client/source.c \
  src/client/exchange.h src/client/exchange.c src/client/request.h src/client/request.c \
  src/client/link.h src/client/link_int.h src/client/link.c src/client/link_tls.c \
  src/client/session.h src/client/session.c src/client/verdicts.def src/client/verdict.h src/client/verdict.c \
  src/client/offer.h src/client/offer.c src/client/text.h src/client/text.c \
  src/client/returned.h src/client/returned.c src/client/report.h src/client/report.c \
  src/client/walk.h src/client/walk.c src/client/progress.h src/client/progress.c \
  src/client/jobs.h src/client/jobs.c
src_libclient_a_SOURCES += src/client/bench_cmd.h src/client/bench_cmd.c
CLIENT_LIBS = src/libclient.a $(BENCH_LIBS) src/libconf.a $(BASE_LIBS) $(SSL_LIBS)
bin_PROGRAMS += src/tolsey-client
src_tolsey_client_SOURCES = src/client/client_main.c
src_tolsey_client_LDADD = $(CLIENT_LIBS)

# The manual is generated, and committed.
noinst_PROGRAMS += src/clientdoc
src_clientdoc_SOURCES = src/client/clientdoc.c
src_clientdoc_LDADD = $(CLIENT_LIBS)
dist_man1_MANS += etc/man/tolsey-client.1
regen-docs: regen-client-docs
.PHONY: regen-client-docs
regen-client-docs: src/clientdoc
	src/clientdoc >'$(srcdir)/etc/man/tolsey-client.1.tmp'
	mv '$(srcdir)/etc/man/tolsey-client.1.tmp' '$(srcdir)/etc/man/tolsey-client.1'
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_client
TESTS += tests/unit/test_client
tests_unit_test_client_SOURCES = tests/unit/test_client.c
tests_unit_test_client_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_client_LDADD = $(CLIENT_LIBS) $(CMOCKA_LIBS)
endif
