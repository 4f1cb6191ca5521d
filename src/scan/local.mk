# The loader and its workers. jail and worker are a library for their tests.
noinst_LIBRARIES += src/libscan.a
src_libscan_a_SOURCES = src/scan/jail.h src/scan/jail.c src/scan/confine.h \
  src/scan/confine.c src/scan/views.h src/scan/views.c src/scan/forms.h \
  src/scan/coded.c src/scan/content.c src/scan/embedded.c \
  src/scan/stash.h src/scan/stash.c src/scan/budget.h src/scan/budget.c \
  src/scan/object.h src/scan/object.c src/scan/worker.h src/scan/worker.c \
  src/scan/loader.h src/scan/loader.c
src_libscan_a_SOURCES += src/scan/second.h src/scan/second.c
pkglibexec_PROGRAMS += src/tolsey-scan
src_tolsey_scan_SOURCES = src/scan/scan_main.c src/scan/scan_tool.h \
  src/scan/scan_tool.c
src_tolsey_scan_LDFLAGS = $(ENGINE_LDFLAGS)
src_tolsey_scan_LDADD = src/libscan.a $(UNPACK_LIBS) $(ENGINE_LIBS) src/libconf.a \
  $(SANDBOX_LIBS) $(IPC_LIBS) $(BASE_LIBS)
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_budget tests/unit/test_jail \
  tests/unit/test_views tests/unit/test_worker tests/unit/test_loader
TESTS += tests/unit/test_budget tests/unit/test_jail tests/unit/test_views tests/unit/test_worker \
  tests/unit/test_loader
tests_unit_test_budget_SOURCES = tests/unit/test_budget.c
tests_unit_test_budget_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_budget_LDADD = src/libscan.a src/libenginefake.a \
  $(UNPACK_LIBS) $(CMOCKA_LIBS) $(BASE_LIBS)
tests_unit_test_views_SOURCES = tests/unit/test_views.c
tests_unit_test_views_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_views_LDADD = src/libscan.a src/libenginefake.a $(UNPACK_LIBS) $(IPC_LIBS) \
  $(CMOCKA_LIBS) $(BASE_LIBS)
tests_unit_test_worker_SOURCES = tests/unit/test_worker.c
tests_unit_test_worker_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_worker_LDADD = src/libscan.a src/libenginefake.a $(UNPACK_LIBS) $(SANDBOX_LIBS) $(IPC_LIBS) \
  $(CMOCKA_LIBS) $(BASE_LIBS)
tests_unit_test_loader_SOURCES = tests/unit/test_loader.c
tests_unit_test_loader_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_loader_LDADD = src/libengine.a src/libconf.a $(IPC_LIBS) \
  $(CMOCKA_LIBS) $(BASE_LIBS)
EXTRA_tests_unit_test_loader_DEPENDENCIES = src/tolsey-scan
tests_unit_test_jail_SOURCES = tests/unit/test_jail.c
tests_unit_test_jail_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_jail_LDADD = src/libscan.a $(SANDBOX_LIBS) $(IPC_LIBS) $(CMOCKA_LIBS) $(BASE_LIBS)
# with the real engine
check_LIBRARIES += src/libcompleteutil.a
src_libcompleteutil_a_SOURCES = tests/unit/complete_util.h tests/unit/complete_util.c \
  tests/unit/ways.h tests/unit/ways.c
src_libcompleteutil_a_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -I$(top_srcdir)
COMPLETE_TEST_LIBS = src/libcompleteutil.a src/libscan.a src/libpackutil.a \
  $(UNPACK_LIBS) $(ENGINE_TEST_LIBS)
COMPLETE_TESTS = tests/unit/test_complete tests/unit/test_long_members \
  tests/unit/test_rules tests/unit/test_rules_library tests/unit/test_pairs
check_PROGRAMS += $(COMPLETE_TESTS)
TESTS += $(COMPLETE_TESTS)
tests_unit_test_complete_SOURCES = tests/unit/test_complete.c
tests_unit_test_complete_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -I$(top_srcdir)
tests_unit_test_complete_LDFLAGS = $(ENGINE_LDFLAGS)
tests_unit_test_complete_LDADD = $(COMPLETE_TEST_LIBS)
tests_unit_test_long_members_SOURCES = tests/unit/test_long_members.c
tests_unit_test_long_members_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -I$(top_srcdir)
tests_unit_test_long_members_LDFLAGS = $(ENGINE_LDFLAGS)
tests_unit_test_long_members_LDADD = $(COMPLETE_TEST_LIBS)
tests_unit_test_rules_SOURCES = tests/unit/test_rules.c
tests_unit_test_rules_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -I$(top_srcdir)
tests_unit_test_rules_LDFLAGS = $(ENGINE_LDFLAGS)
tests_unit_test_rules_LDADD = $(COMPLETE_TEST_LIBS)
# with a libclamav that lies
tests_unit_test_rules_library_SOURCES = tests/unit/test_rules_library.c \
  tests/unit/fake_clamav.h tests/unit/fake_clamav.c
tests_unit_test_rules_library_CFLAGS = $(AM_CFLAGS) $(CLAMAV_CFLAGS) $(CMOCKA_CFLAGS) -I$(top_srcdir)
tests_unit_test_rules_library_LDFLAGS = $(ENGINE_LDFLAGS)
tests_unit_test_rules_library_LDADD = src/libcompleteutil.a src/libscan.a src/libpackutil.a \
  $(UNPACK_LIBS) src/libengineutil.a src/libengine.a $(CMOCKA_LIBS) $(BASE_LIBS) $(ZLIB_LIBS)
tests_unit_test_pairs_SOURCES = tests/unit/test_pairs.c
tests_unit_test_pairs_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -I$(top_srcdir)
tests_unit_test_pairs_LDFLAGS = $(ENGINE_LDFLAGS)
tests_unit_test_pairs_LDADD = src/libservice.a $(COMPLETE_TEST_LIBS)
endif
