noinst_LIBRARIES += src/libconf.a
src_libconf_a_SOURCES = src/conf/conf.h src/conf/conf_int.h src/conf/directives.def src/conf/foreign.def src/conf/conf.c \
  src/conf/conf_value.c src/conf/conf_lex.c src/conf/conf_file.c src/conf/conf_load.c src/conf/conf_check.c \
  src/conf/conf_warn.c src/conf/conf_dump.c
CONF_LIBS = src/libconf.a $(BASE_LIBS)

if HAVE_CMOCKA
CONF_TESTS = tests/unit/test_conf tests/unit/test_conf_file tests/unit/test_conf_dump
check_PROGRAMS += $(CONF_TESTS)
TESTS += $(CONF_TESTS)
tests_unit_test_conf_SOURCES = tests/unit/test_conf.c
tests_unit_test_conf_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_conf_LDADD = $(CONF_LIBS) $(CMOCKA_LIBS)
tests_unit_test_conf_file_SOURCES = tests/unit/test_conf_file.c
tests_unit_test_conf_file_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_conf_file_LDADD = $(CONF_LIBS) $(CMOCKA_LIBS)
tests_unit_test_conf_dump_SOURCES = tests/unit/test_conf_dump.c
tests_unit_test_conf_dump_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_conf_dump_LDADD = $(CONF_LIBS) $(CMOCKA_LIBS)
endif

# The manual and the sample are generated, and committed.
noinst_PROGRAMS += src/confdoc
src_confdoc_SOURCES = src/conf/confdoc.c modules/clamav_scan.def
src_confdoc_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
src_confdoc_LDADD = $(CONF_LIBS)
dist_man5_MANS += etc/man/tolsey.conf.5
dist_pkgdata_DATA += etc/tolsey.conf.sample
TESTS += tests/lint/check-docs.sh
EXTRA_DIST += tests/lint/check-docs.sh
.PHONY: regen-docs
regen-docs: src/confdoc
	$(MKDIR_P) '$(srcdir)/etc/man'
	src/confdoc man >'$(srcdir)/etc/man/tolsey.conf.5.tmp'
	mv '$(srcdir)/etc/man/tolsey.conf.5.tmp' '$(srcdir)/etc/man/tolsey.conf.5'
	src/confdoc sample >'$(srcdir)/etc/tolsey.conf.sample.tmp'
	mv '$(srcdir)/etc/tolsey.conf.sample.tmp' '$(srcdir)/etc/tolsey.conf.sample'
