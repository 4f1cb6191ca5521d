# The scan socket: its messages (also used by net) and the library of clients,
# which needs nothing but libc.
EXTRA_DIST += src/scanapi/libtolsey-scan.map
noinst_LIBRARIES += src/libscanmsg.a
src_libscanmsg_a_SOURCES = src/scanapi/tolsey_scanmsg.def src/scanapi/tolsey_scanmsg.h src/scanapi/scanmsg.c
SCAN_CLIENT = src/scanapi/scanmsg.c src/scanapi/scan_client.h src/scanapi/scan_client.c \
  src/scanapi/scan_verdict.c
include_HEADERS = src/scanapi/tolsey_scan.h src/scanapi/tolsey_scanmsg.h src/scanapi/tolsey_scanmsg.def
lib_LIBRARIES = src/libtolsey-scan.a
src_libtolsey_scan_a_SOURCES = $(SCAN_CLIENT)
# No libtool: one shared object, its soname, and the links to it.
SCAN_SONAME = libtolsey-scan.so.1
scansolibdir = $(libdir)
scansolib_PROGRAMS = src/libtolsey-scan.so.1
src_libtolsey_scan_so_1_SOURCES = $(SCAN_CLIENT)
src_libtolsey_scan_so_1_LDFLAGS = $(AM_LDFLAGS) -shared -Wl,-soname,$(SCAN_SONAME) \
  -Wl,--version-script=$(top_srcdir)/src/scanapi/libtolsey-scan.map
EXTRA_src_libtolsey_scan_so_1_DEPENDENCIES = src/scanapi/libtolsey-scan.map
pkgconfigdir = $(libdir)/pkgconfig
pkgconfig_DATA = src/scanapi/tolsey-scan.pc
dist_man1_MANS += etc/man/tolsey-scan-file.1
dist_man3_MANS += etc/man/tolsey_scan.3
dist_man7_MANS += etc/man/tolsey-scan-socket.7
bin_PROGRAMS += src/tolsey-scan-file
src_tolsey_scan_file_SOURCES = src/scanapi/scan_file.c
src_tolsey_scan_file_LDADD = src/libtolsey-scan.a
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_scanmsg tests/unit/test_scan_text
TESTS += tests/unit/test_scanmsg tests/unit/test_scan_text
tests_unit_test_scanmsg_SOURCES = tests/unit/test_scanmsg.c
tests_unit_test_scanmsg_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_scanmsg_LDADD = src/libtolsey-scan.a $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_test_scan_text_SOURCES = tests/unit/test_scan_text.c
tests_unit_test_scan_text_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_scan_text_LDADD = $(NET_LIBS) $(CMOCKA_LIBS)
endif
