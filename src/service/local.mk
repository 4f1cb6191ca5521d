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
