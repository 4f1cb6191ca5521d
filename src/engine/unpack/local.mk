noinst_LIBRARIES += src/libunpack.a
src_libunpack_a_SOURCES = src/engine/unpack/decode.h src/engine/unpack/stage.h \
  src/engine/unpack/decode.c src/engine/unpack/decode_zlib.c \
  src/engine/unpack/decode_br.c src/engine/unpack/decode_zstd.c \
  src/engine/unpack/decode_chunked.c src/engine/unpack/mime.h src/engine/unpack/mime.c \
  src/engine/unpack/multipart.h src/engine/unpack/multipart.c \
  src/engine/unpack/transfer.h src/engine/unpack/transfer.c \
  src/engine/unpack/embedded.h src/engine/unpack/embedded.c
src_libunpack_a_CFLAGS = $(AM_CFLAGS) $(ZLIB_CFLAGS) $(BROTLI_CFLAGS) $(ZSTD_CFLAGS)
UNPACK_LIBS = src/libunpack.a $(ZLIB_LIBS) $(BROTLI_LIBS) $(ZSTD_LIBS)
if HAVE_CMOCKA
UNPACK_TESTS = tests/unit/test_decode tests/unit/test_multipart tests/unit/test_embedded
check_PROGRAMS += $(UNPACK_TESTS)
TESTS += $(UNPACK_TESTS)
UNPACK_TEST_LIBS = $(UNPACK_LIBS) $(CMOCKA_LIBS) $(BASE_LIBS)
tests_unit_test_decode_SOURCES = tests/unit/test_decode.c
tests_unit_test_decode_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(ZLIB_CFLAGS) $(ZSTD_CFLAGS)
tests_unit_test_decode_LDADD = $(UNPACK_TEST_LIBS)
tests_unit_test_multipart_SOURCES = tests/unit/test_multipart.c
tests_unit_test_multipart_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_multipart_LDADD = $(UNPACK_TEST_LIBS)
tests_unit_test_embedded_SOURCES = tests/unit/test_embedded.c
tests_unit_test_embedded_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_embedded_LDADD = $(UNPACK_TEST_LIBS)
endif
