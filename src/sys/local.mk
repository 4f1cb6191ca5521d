noinst_LIBRARIES += src/libsys.a
src_libsys_a_SOURCES = src/sys/proc.h src/sys/proc.c src/sys/listen.h src/sys/listen.c \
  src/sys/notify.h src/sys/notify.c src/sys/jail_dirs.h src/sys/jail_dirs.c \
  src/sys/dbwatch.h src/sys/dbwatch.c src/sys/backoff.h src/sys/backoff.c \
  src/sys/parent.h src/sys/parent.c src/sys/open.c src/sys/reload.c \
  src/sys/confined.c src/sys/children.c src/sys/child_talk.c src/sys/generation.c src/sys/feed.c
src_libsys_a_SOURCES += src/sys/priority.c
src_libsys_a_SOURCES += src/sys/gen_when.c src/sys/memroom.h src/sys/memroom.c \
  src/sys/temproom.h src/sys/temproom.c
src_libsys_a_SOURCES += src/sys/listeners.h src/sys/listeners.c src/sys/passed.h src/sys/passed.c src/sys/tickets.c src/sys/feed.h
sbin_PROGRAMS += src/tolseyd
src_tolseyd_SOURCES = src/sys/main.c
src_tolseyd_LDADD = src/libsys.a src/libconf.a $(SANDBOX_LIBS) $(IPC_LIBS) $(BASE_LIBS)
if HAVE_CMOCKA
SYS_TESTS = tests/unit/test_backoff
check_PROGRAMS += $(SYS_TESTS)
TESTS += $(SYS_TESTS)
tests_unit_test_backoff_SOURCES = tests/unit/test_backoff.c
tests_unit_test_backoff_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_backoff_LDADD = src/libsys.a $(CMOCKA_LIBS)
endif
dist_man8_MANS += etc/man/tolseyd.8
if HAVE_CMOCKA
# The parent finds its helper programs beside itself.
check_PROGRAMS += tests/unit/tolsey-scan
tests_unit_tolsey_scan_SOURCES = tests/unit/fake_loader.c
tests_unit_tolsey_scan_LDADD = src/libconf.a $(IPC_LIBS) $(BASE_LIBS)
check_PROGRAMS += tests/unit/test_generation
TESTS += tests/unit/test_generation
tests_unit_test_generation_SOURCES = tests/unit/test_generation.c
tests_unit_test_generation_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_generation_LDADD = src/libsys.a src/libconf.a $(SANDBOX_LIBS) \
  $(IPC_LIBS) $(BASE_LIBS) $(CMOCKA_LIBS)
EXTRA_tests_unit_test_generation_DEPENDENCIES = tests/unit/tolsey-scan
check_PROGRAMS += tests/unit/test_memroom
TESTS += tests/unit/test_memroom
tests_unit_test_memroom_SOURCES = tests/unit/test_memroom.c
tests_unit_test_memroom_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_memroom_LDADD = src/libsys.a src/libconf.a $(BASE_LIBS) $(CMOCKA_LIBS)
endif
# The unit that is kept names /usr/sbin, as a package has it.
systemdsystemunitdir = $(prefix)/lib/systemd/system
nodist_systemdsystemunit_DATA = etc/systemd/tolsey.service
dist_systemdsystemunit_DATA = etc/systemd/tolsey.socket
EXTRA_DIST += etc/systemd/tolsey.service
install-data-hook:
	f='$(DESTDIR)$(systemdsystemunitdir)/tolsey.service' && \
	  sed 's,^ExecStart=/usr/sbin,ExecStart=$(sbindir),' "$$f" >"$$f.tmp" && \
	  chmod 644 "$$f.tmp" && mv "$$f.tmp" "$$f"
