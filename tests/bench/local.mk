# Without libengine: its tripwire is no part of libclamav.
noinst_PROGRAMS += tests/bench/rawscan
tests_bench_rawscan_SOURCES = tests/bench/rawscan.c src/engine/engine_flags.c \
  src/engine/engine_common.c
tests_bench_rawscan_CFLAGS = $(AM_CFLAGS) $(CLAMAV_CFLAGS)
tests_bench_rawscan_LDADD = $(BENCH_LIBS) $(UNPACK_LIBS) $(CLAMAV_LIBS) $(BASE_LIBS)
