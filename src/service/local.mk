noinst_LIBRARIES += src/libservice.a
src_libservice_a_SOURCES = src/service/service.h src/service/registry.h src/service/registry.c \
  src/service/service_set.c src/service/policy.h src/service/policy.c src/service/html.h src/service/html.c \
  src/service/blockpage.h src/service/blockpage.c src/service/blockpage_builtin.c
nodist_src_libservice_a_SOURCES = src/service/block_html.h
SERVICE_LIBS = src/libservice.a src/libconf.a src/libproto.a $(BASE_LIBS)
dist_pkgdata_DATA += etc/templates/block.html
CLEANFILES += src/service/block_html.h
# The built-in block page: each line of the file as a C string.
src/service/block_html.h: etc/templates/block.html
	$(AM_V_GEN)$(MKDIR_P) src/service && sed -e 's/[\\"]/\\&/g' -e 's/^/"/' -e 's/$$/\\n"/' \
	  $(top_srcdir)/etc/templates/block.html >$@.tmp && mv $@.tmp $@
src/service/blockpage_builtin.$(OBJEXT): src/service/block_html.h
if HAVE_CMOCKA
SERVICE_TESTS = tests/unit/test_policy tests/unit/test_blockpage tests/unit/test_registry
check_PROGRAMS += $(SERVICE_TESTS)
TESTS += $(SERVICE_TESTS)
tests_unit_test_policy_SOURCES = tests/unit/test_policy.c
tests_unit_test_policy_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_policy_LDADD = src/libservice.a $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_test_blockpage_SOURCES = tests/unit/test_blockpage.c
tests_unit_test_blockpage_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_blockpage_LDADD = src/libservice.a $(BASE_LIBS) $(CMOCKA_LIBS)
tests_unit_test_registry_SOURCES = tests/unit/test_registry.c
tests_unit_test_registry_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_registry_LDADD = $(SERVICE_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/mod_no_symbol.so tests/unit/mod_bad_abi.so
tests_unit_mod_no_symbol_so_SOURCES = tests/unit/mod_no_symbol.c
tests_unit_mod_no_symbol_so_LDFLAGS = $(SHARED_LINK)
tests_unit_mod_bad_abi_so_SOURCES = tests/unit/mod_bad_abi.c
tests_unit_mod_bad_abi_so_LDFLAGS = $(SHARED_LINK)
endif
