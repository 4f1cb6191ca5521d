noinst_LIBRARIES += src/libctl.a
src_libctl_a_SOURCES = src/ctl/ctl.h src/ctl/control.c src/ctl/status_text.c src/ctl/metrics_http.c
pkglibexec_PROGRAMS += src/tolsey-ctl
src_tolsey_ctl_SOURCES = src/ctl/ctl_main.c
src_tolsey_ctl_LDADD = src/libctl.a $(SANDBOX_LIBS) $(IPC_LIBS) $(EVENT_EXTRA_LIBS) $(BASE_LIBS)
sbin_PROGRAMS += src/tolseyctl
src_tolseyctl_SOURCES = src/ctl/tolseyctl.c
dist_man8_MANS += etc/man/tolseyctl.8
