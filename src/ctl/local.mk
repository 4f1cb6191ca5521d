noinst_LIBRARIES += src/libctl.a
src_libctl_a_SOURCES = src/ctl/ctl.h src/ctl/control.c src/ctl/status_text.c src/ctl/metrics_http.c
src_libctl_a_SOURCES += src/ctl/clamd.c src/ctl/clamd_line.h src/ctl/clamd_line.c
pkglibexec_PROGRAMS += src/tolsey-ctl
src_tolsey_ctl_SOURCES = src/ctl/ctl_main.c
src_tolsey_ctl_LDADD = src/libctl.a $(SANDBOX_LIBS) $(IPC_LIBS) $(EVENT_EXTRA_LIBS) $(BASE_LIBS)
# For freshclam: NotifyClamd.
pkgsysconfdir = $(sysconfdir)/tolsey
dist_pkgsysconf_DATA = etc/clamd-notify.conf
dist_pkgdata_DATA += etc/apparmor-freshclam
sbin_PROGRAMS += src/tolseyctl
src_tolseyctl_SOURCES = src/ctl/tolseyctl.c
src_tolseyctl_LDADD = src/libimport.a $(CONF_LIBS)
noinst_LIBRARIES += src/libimport.a
src_libimport_a_SOURCES = src/ctl/import.def src/ctl/import.h src/ctl/import_int.h \
  src/ctl/import.c src/ctl/import_read.c src/ctl/import_cicap.c \
  src/ctl/import_squidclamav.c src/ctl/import_main.c
dist_man8_MANS += etc/man/tolseyctl.8
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_clamd_line
TESTS += tests/unit/test_clamd_line
tests_unit_test_clamd_line_SOURCES = tests/unit/test_clamd_line.c
tests_unit_test_clamd_line_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_clamd_line_LDADD = src/libctl.a $(BASE_LIBS) $(CMOCKA_LIBS)
endif
