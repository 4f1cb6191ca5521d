noinst_LIBRARIES += src/libunpack.a
src_libunpack_a_SOURCES = src/engine/unpack/decode.h src/engine/unpack/grow.h \
  src/engine/unpack/decode.c src/engine/unpack/decode_zlib.c \
  src/engine/unpack/decode_br.c src/engine/unpack/decode_zstd.c src/engine/unpack/decode_aws.c
src_libunpack_a_CFLAGS = $(AM_CFLAGS) $(ZLIB_CFLAGS) $(BROTLI_CFLAGS) $(ZSTD_CFLAGS)
UNPACK_LIBS = src/libunpack.a $(ZLIB_LIBS) $(BROTLI_LIBS) $(ZSTD_LIBS)
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_decode
TESTS += tests/unit/test_decode
tests_unit_test_decode_SOURCES = tests/unit/test_decode.c
tests_unit_test_decode_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(ZLIB_CFLAGS)
tests_unit_test_decode_LDADD = $(UNPACK_LIBS) $(CMOCKA_LIBS) $(BASE_LIBS)
endif
