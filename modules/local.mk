# Service modules: shared objects that export one symbol (service.h). What they
# use of the libraries is linked in; nothing is looked up in the daemon.
SHARED_LINK = $(AM_LDFLAGS) -shared
module_PROGRAMS += modules/clamav_scan.so modules/echo.so
modules_clamav_scan_so_SOURCES = modules/clamav_scan.c modules/clamav_scan.def
modules_clamav_scan_so_LDFLAGS = $(SHARED_LINK)
modules_clamav_scan_so_LDADD = src/libproto.a src/libbase.a
modules_echo_so_SOURCES = modules/echo.c
modules_echo_so_LDFLAGS = $(SHARED_LINK)
include modules/cicap/local.mk
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_clamav_scan
TESTS += tests/unit/test_clamav_scan
tests_unit_test_clamav_scan_SOURCES = tests/unit/test_clamav_scan.c modules/clamav_scan.c
tests_unit_test_clamav_scan_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_clamav_scan_LDADD = src/libproto.a src/libbase.a $(CMOCKA_LIBS)
endif
