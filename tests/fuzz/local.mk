# The inputs of the fuzzers are replayed by `make check`; README.md says how to
# look for new ones.
FUZZ_REPLAYS = tests/fuzz/replay_icap_rx
check_PROGRAMS += $(FUZZ_REPLAYS)
TESTS += $(FUZZ_REPLAYS)
EXTRA_DIST += tests/fuzz/corpus tests/fuzz/README.md
tests_fuzz_replay_icap_rx_SOURCES = tests/fuzz/fuzz.h tests/fuzz/onefile.c \
  tests/fuzz/fuzz_icap_rx.c tests/unit/rx_trace.h tests/unit/rx_trace.c
tests_fuzz_replay_icap_rx_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir) -DFUZZ_CORPUS='"icap_rx"'
tests_fuzz_replay_icap_rx_LDADD = $(PROTO_LIBS)
