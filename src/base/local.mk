noinst_LIBRARIES += src/libbase.a
src_libbase_a_SOURCES = src/base/check.h src/base/check.c src/base/str.h src/base/str.c \
  src/base/buf.h src/base/buf.c src/base/arena.h src/base/arena.c src/base/clock.h src/base/clock.c \
  src/base/timerq.h src/base/timerq.c src/base/hash.h src/base/hash.c src/base/log.h src/base/log.c src/base/log_sink.h src/base/log_sink.c src/base/list.h \
  src/base/idgen.h src/base/idgen.c src/base/outcome.def src/base/outcome.h src/base/outcome.c \
  src/base/scan.h src/base/metrics.def src/base/metrics.h src/base/metrics.c
BASE_LIBS = src/libbase.a $(CRYPTO_LIBS)
