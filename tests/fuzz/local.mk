# The inputs of the fuzzers are replayed by `make check`. Configured with
# --enable-fuzzers (by `make fuzz`) the same programs are libFuzzer's.
FUZZ_REPLAYS = tests/fuzz/replay_icap_rx tests/fuzz/replay_heads \
  tests/fuzz/replay_chunk tests/fuzz/replay_msg tests/fuzz/replay_conf \
  tests/fuzz/replay_decode tests/fuzz/replay_multipart tests/fuzz/replay_embedded \
  tests/fuzz/replay_views \
  tests/fuzz/replay_looks
if HAVE_CMOCKA
FUZZ_REPLAYS += tests/fuzz/replay_tx
endif
FUZZ_REPLAYS += tests/fuzz/replay_proxy_head tests/fuzz/replay_scanmsg
FUZZ_REPLAYS += tests/fuzz/replay_container
FUZZ_REPLAYS += tests/fuzz/replay_answer tests/fuzz/replay_import
check_PROGRAMS += $(FUZZ_REPLAYS)
TESTS += $(FUZZ_REPLAYS)
EXTRA_DIST += tests/fuzz/corpus tests/fuzz/README.md
FUZZ_COMMON = tests/fuzz/fuzz.h
if FUZZERS
FUZZ_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
EXTRA_DIST += tests/fuzz/onefile.c
else
FUZZ_LDFLAGS = $(AM_LDFLAGS)
FUZZ_COMMON += tests/fuzz/onefile.c
endif
FUZZ_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_fuzz_replay_icap_rx_SOURCES = $(FUZZ_COMMON) tests/fuzz/fuzz_icap_rx.c \
  tests/unit/rx_trace.h tests/unit/rx_trace.c
tests_fuzz_replay_icap_rx_CPPFLAGS = $(FUZZ_CPPFLAGS) -DFUZZ_CORPUS='"icap_rx"'
tests_fuzz_replay_icap_rx_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_replay_icap_rx_LDADD = $(PROTO_LIBS)
tests_fuzz_replay_heads_SOURCES = $(FUZZ_COMMON) tests/fuzz/fuzz_heads.c
tests_fuzz_replay_heads_CPPFLAGS = $(FUZZ_CPPFLAGS) -DFUZZ_CORPUS='"heads"'
tests_fuzz_replay_heads_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_replay_heads_LDADD = $(PROTO_LIBS)
tests_fuzz_replay_chunk_SOURCES = $(FUZZ_COMMON) tests/fuzz/fuzz_chunk.c
tests_fuzz_replay_chunk_CPPFLAGS = $(FUZZ_CPPFLAGS) -DFUZZ_CORPUS='"chunk"'
tests_fuzz_replay_chunk_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_replay_chunk_LDADD = $(PROTO_LIBS)
tests_fuzz_replay_scanmsg_SOURCES = $(FUZZ_COMMON) tests/fuzz/fuzz_scanmsg.c
tests_fuzz_replay_scanmsg_CPPFLAGS = $(FUZZ_CPPFLAGS) -DFUZZ_CORPUS='"scanmsg"'
tests_fuzz_replay_scanmsg_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_replay_scanmsg_LDADD = src/libtolsey-scan.a $(NET_LIBS)
tests_fuzz_replay_msg_SOURCES = $(FUZZ_COMMON) tests/fuzz/fuzz_msg.c
tests_fuzz_replay_msg_CPPFLAGS = $(FUZZ_CPPFLAGS) -DFUZZ_CORPUS='"msg"'
tests_fuzz_replay_msg_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_replay_msg_LDADD = $(IPC_LIBS) $(BASE_LIBS)
tests_fuzz_replay_conf_SOURCES = $(FUZZ_COMMON) tests/fuzz/fuzz_conf.c
tests_fuzz_replay_conf_CPPFLAGS = $(FUZZ_CPPFLAGS) -DFUZZ_CORPUS='"conf"'
tests_fuzz_replay_conf_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_replay_conf_LDADD = $(CONF_LIBS)
tests_fuzz_replay_decode_SOURCES = $(FUZZ_COMMON) tests/fuzz/fuzz_decode.c
tests_fuzz_replay_decode_CPPFLAGS = $(FUZZ_CPPFLAGS) -DFUZZ_CORPUS='"decode"'
tests_fuzz_replay_decode_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_replay_decode_LDADD = $(UNPACK_LIBS) $(BASE_LIBS)
tests_fuzz_replay_multipart_SOURCES = $(FUZZ_COMMON) tests/fuzz/fuzz_multipart.c
tests_fuzz_replay_multipart_CPPFLAGS = $(FUZZ_CPPFLAGS) -DFUZZ_CORPUS='"multipart"'
tests_fuzz_replay_multipart_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_replay_multipart_LDADD = $(UNPACK_LIBS) $(BASE_LIBS)
tests_fuzz_replay_looks_SOURCES = $(FUZZ_COMMON) tests/fuzz/fuzz_looks.c \
  src/engine/cfb.h src/engine/cfb.c src/engine/looks.h src/engine/looks.c
tests_fuzz_replay_looks_CPPFLAGS = $(FUZZ_CPPFLAGS) -DFUZZ_CORPUS='"looks"'
tests_fuzz_replay_looks_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_replay_looks_LDADD = $(BASE_LIBS)
tests_fuzz_replay_views_SOURCES = $(FUZZ_COMMON) tests/fuzz/fuzz_views.c src/engine/engine_common.c \
  src/engine/cfb.c
tests_fuzz_replay_views_CPPFLAGS = $(FUZZ_CPPFLAGS) -DFUZZ_CORPUS='"views"'
tests_fuzz_replay_views_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_replay_views_LDADD = src/libscan.a $(UNPACK_LIBS) $(IPC_LIBS) $(BASE_LIBS)
tests_fuzz_replay_embedded_SOURCES = $(FUZZ_COMMON) tests/fuzz/fuzz_embedded.c
tests_fuzz_replay_embedded_CPPFLAGS = $(FUZZ_CPPFLAGS) -DFUZZ_CORPUS='"embedded"'
tests_fuzz_replay_embedded_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_replay_embedded_LDADD = $(UNPACK_LIBS) $(BASE_LIBS)
if HAVE_CMOCKA
tests_fuzz_replay_tx_SOURCES = $(FUZZ_COMMON) tests/fuzz/fuzz_tx.c
tests_fuzz_replay_tx_CPPFLAGS = $(FUZZ_CPPFLAGS) -DFUZZ_CORPUS='"tx"'
tests_fuzz_replay_tx_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_fuzz_replay_tx_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_replay_tx_LDADD = src/libtxworld.a $(NET_LIBS) $(CMOCKA_LIBS)
endif
tests_fuzz_replay_proxy_head_SOURCES = $(FUZZ_COMMON) tests/fuzz/fuzz_proxy_head.c
tests_fuzz_replay_proxy_head_CPPFLAGS = $(FUZZ_CPPFLAGS) -DFUZZ_CORPUS='"proxy_head"'
tests_fuzz_replay_proxy_head_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_replay_proxy_head_LDADD = $(PROTO_LIBS)

tests_fuzz_replay_container_SOURCES = $(FUZZ_COMMON) tests/fuzz/fuzz_container.c
tests_fuzz_replay_container_CPPFLAGS = $(FUZZ_CPPFLAGS) -DFUZZ_CORPUS='"container"'
tests_fuzz_replay_container_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_replay_container_LDADD = $(UNPACK_LIBS) $(BASE_LIBS)

# make fuzz [FUZZ_SECS=in all] [FUZZ="chunk tx"]: new inputs for a while, in a
# copy that is built with clang, libFuzzer and the sanitizers.
FUZZ_SECS = 60
FUZZ_CC = clang-14
FUZZ = $(FUZZ_REPLAYS:tests/fuzz/replay_%=%)
.PHONY: fuzz fuzz-here
fuzz:
	rm -rf build-fuzz-copy
	$(MAKE) $(AM_MAKEFLAGS) distdir distdir=build-fuzz-copy
	cd build-fuzz-copy && ./configure CC=$(FUZZ_CC) --enable-fuzzers
	$(MAKE) -C build-fuzz-copy $(AM_MAKEFLAGS) fuzz-here FUZZ='$(FUZZ)' FUZZ_SECS='$(FUZZ_SECS)'
fuzz-here: $(FUZZ_REPLAYS)
	sh $(srcdir)/tests/fuzz/run.sh '$(FUZZ_SECS)' $(FUZZ)
CLEANFILES += tests/fuzz/new/*
EXTRA_DIST += tests/fuzz/run.sh
tests_fuzz_replay_answer_SOURCES = $(FUZZ_COMMON) tests/fuzz/fuzz_answer.c
tests_fuzz_replay_answer_CPPFLAGS = $(FUZZ_CPPFLAGS) -DFUZZ_CORPUS='"answer"'
tests_fuzz_replay_answer_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_replay_answer_LDADD = $(CLIENT_LIBS)
tests_fuzz_replay_import_SOURCES = $(FUZZ_COMMON) tests/fuzz/fuzz_import.c
tests_fuzz_replay_import_CPPFLAGS = $(FUZZ_CPPFLAGS) -DFUZZ_CORPUS='"import"'
tests_fuzz_replay_import_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_replay_import_LDADD = src/libimport.a $(CONF_LIBS)
