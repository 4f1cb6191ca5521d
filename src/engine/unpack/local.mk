noinst_LIBRARIES += src/libunpack.a
src_libunpack_a_SOURCES = src/engine/unpack/decode.h src/engine/unpack/stage.h \
  src/engine/unpack/decode.c src/engine/unpack/decode_zlib.c \
  src/engine/unpack/decode_br.c src/engine/unpack/decode_zstd.c \
  src/engine/unpack/decode_chunked.c src/engine/unpack/mime.h src/engine/unpack/mime.c \
  src/engine/unpack/multipart.h src/engine/unpack/multipart.c \
  src/engine/unpack/transfer.h src/engine/unpack/transfer.c \
  src/engine/unpack/embedded.h src/engine/unpack/embedded.c
# the second reader
src_libunpack_a_SOURCES += src/engine/unpack/bytes.h src/engine/unpack/bytes.c \
  src/engine/unpack/container.h src/engine/unpack/container.c \
  src/engine/unpack/media.h src/engine/unpack/media.c \
  src/engine/unpack/rar5.h src/engine/unpack/rar5.c \
  src/engine/unpack/reader.h src/engine/unpack/reader.c \
  src/engine/unpack/zip.h src/engine/unpack/zip.c
src_libunpack_a_CFLAGS = $(AM_CFLAGS) $(ZLIB_CFLAGS) $(BROTLI_CFLAGS) $(ZSTD_CFLAGS) $(ARCHIVE_CFLAGS)
UNPACK_LIBS = src/libunpack.a $(ARCHIVE_LIBS) $(ZLIB_LIBS) $(BROTLI_LIBS) $(ZSTD_LIBS)
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
check_LIBRARIES += src/libpackutil.a
src_libpackutil_a_SOURCES = tests/unit/pack_util.h tests/unit/pack_util.c
src_libpackutil_a_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(ARCHIVE_CFLAGS) -I$(top_srcdir)
PACK_TESTS = tests/unit/test_zip_look tests/unit/test_container tests/unit/test_reader
check_PROGRAMS += $(PACK_TESTS)
TESTS += $(PACK_TESTS)
tests_unit_test_zip_look_SOURCES = tests/unit/test_zip_look.c
tests_unit_test_zip_look_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -I$(top_srcdir)
tests_unit_test_zip_look_LDADD = src/libpackutil.a $(UNPACK_TEST_LIBS)
tests_unit_test_container_SOURCES = tests/unit/test_container.c
tests_unit_test_container_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -I$(top_srcdir)
tests_unit_test_container_LDADD = src/libpackutil.a $(UNPACK_TEST_LIBS)
tests_unit_test_reader_SOURCES = tests/unit/test_reader.c
tests_unit_test_reader_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -I$(top_srcdir)
tests_unit_test_reader_LDADD = src/libpackutil.a $(UNPACK_TEST_LIBS)
endif
