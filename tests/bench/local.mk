# Without libengine: its tripwire is no part of libclamav.
noinst_PROGRAMS += tests/bench/rawscan
tests_bench_rawscan_SOURCES = tests/bench/rawscan.c src/engine/engine_flags.c \
  src/engine/engine_common.c
tests_bench_rawscan_CFLAGS = $(AM_CFLAGS) $(CLAMAV_CFLAGS)
tests_bench_rawscan_LDADD = $(BENCH_LIBS) $(UNPACK_LIBS) $(CLAMAV_LIBS) $(BASE_LIBS)
EXTRA_DIST += tests/bench/check-cost.sh tests/bench/cost.baseline
if HAVE_CMOCKA
check_PROGRAMS += tests/bench/cost
TESTS += tests/bench/check-cost.sh
tests_bench_cost_SOURCES = tests/bench/cost.c
tests_bench_cost_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir) -DCOST_CFLAGS='"$(CFLAGS)"'
tests_bench_cost_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_bench_cost_LDADD = src/libtxworld.a $(NET_LIBS) $(CMOCKA_LIBS)
# After a change that is meant to cost what it costs.
cost-baseline: tests/bench/cost
	srcdir='$(srcdir)' builddir='$(builddir)' '$(srcdir)/tests/bench/check-cost.sh' --renew
.PHONY: cost-baseline
endif
