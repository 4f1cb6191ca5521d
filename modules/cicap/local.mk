# The same scanner as a service of c-icap. It needs libicapapi's headers; what
# it uses of c-icap is in the program that loads it.
if HAVE_CICAP
cicapmodule_PROGRAMS = modules/cicap/srv_tolsey.so
modules_cicap_srv_tolsey_so_SOURCES = modules/cicap/tolsey_cicap.h modules/cicap/srv_tolsey.c \
  modules/cicap/cicap_conf.c modules/cicap/cicap_daemon.c modules/cicap/cicap_body.c \
  modules/cicap/cicap_heads.c modules/cicap/cicap_release.c
modules_cicap_srv_tolsey_so_CPPFLAGS = $(AM_CPPFLAGS) $(CICAP_CPPFLAGS) -I$(top_srcdir)/modules/cicap
modules_cicap_srv_tolsey_so_LDFLAGS = $(SHARED_LINK) -Wl,--exclude-libs,ALL
modules_cicap_srv_tolsey_so_LDADD = src/libtolsey-scan.a
endif
dist_man8_MANS += etc/man/srv_tolsey.8
# To be included by c-icap.conf.
cicapconfdir = $(pkgdatadir)/c-icap
dist_cicapconf_DATA = etc/c-icap/srv_tolsey.conf
