noinst_LIBRARIES += src/libnet.a
src_libnet_a_SOURCES =
src_libnet_a_SOURCES += src/net/tx_states.def src/net/core.h src/net/core.c src/net/tx.h src/net/tx_int.h src/net/tx.c
src_libnet_a_SOURCES += src/net/tx_heads.c src/net/tx_body.c src/net/tx_scan.c src/net/tx_reply.c
src_libnet_a_SOURCES += src/net/tx_trickle.c src/net/tx_stream.c src/net/tx_log.c
src_libnet_a_SOURCES += src/net/outq.h src/net/outq.c src/net/transport.h src/net/transport_plain.c
src_libnet_a_SOURCES += src/net/transport_tls.h src/net/transport_tls.c src/net/tls_ctx.h src/net/tls_ctx.c
src_libnet_a_SOURCES += src/net/access.h src/net/access.c src/net/peers.h src/net/peers.c
src_libnet_a_SOURCES += src/net/conn.h src/net/conn_int.h src/net/conn.c src/net/conn_serve.c
src_libnet_a_SOURCES += src/net/listener.h src/net/listener.c
src_libnet_a_SOURCES += src/net/capacity.h src/net/capacity.c
src_libnet_a_SOURCES += src/net/workers.h src/net/workers.c src/net/harmless.h src/net/harmless.c src/net/spool.h src/net/spool.c
src_libnet_a_SOURCES += src/net/killers.h src/net/killers.c src/net/cache.h src/net/cache.c src/net/tx_shared.c
src_libnet_a_SOURCES += src/net/sched.h src/net/sched_int.h src/net/sched.c src/net/sched_clients.c
src_libnet_a_SOURCES += src/net/sched_workers.c src/net/sched_pool.c \
  src/net/spoilt.h src/net/spoilt.c
src_libnet_a_SOURCES += src/net/scanport.h src/net/scanport.c src/net/scan_conn.h src/net/scan_conn.c
src_libnet_a_SOURCES += src/net/scan_source.h src/net/scan_source.c src/net/scan_text.h src/net/scan_text.c
NET_LIBS = src/libnet.a src/libscanmsg.a src/libservice.a src/libconf.a src/libproto.a $(SANDBOX_LIBS) $(IPC_LIBS) $(SSL_LIBS) $(BASE_LIBS)
pkglibexec_PROGRAMS += src/tolsey-net
src_tolsey_net_SOURCES = src/net/net_int.h src/net/net_main.c src/net/net_conf.c
src_tolsey_net_LDADD = $(NET_LIBS)
if HAVE_CMOCKA
check_LIBRARIES += src/libtxworld.a
src_libtxworld_a_SOURCES = tests/unit/tx_world.h tests/unit/tx_world.c tests/unit/tx_guest.h tests/unit/tx_guest.c
src_libtxworld_a_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -I$(top_srcdir)
check_PROGRAMS += tests/unit/test_tx tests/unit/test_tx_release tests/unit/test_tx_outcomes
TESTS += tests/unit/test_tx tests/unit/test_tx_release tests/unit/test_tx_outcomes
tests_unit_test_tx_outcomes_SOURCES = tests/unit/test_tx_outcomes.c
tests_unit_test_tx_outcomes_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -I$(top_srcdir)
tests_unit_test_tx_outcomes_LDADD = src/libtxworld.a $(NET_LIBS) $(CMOCKA_LIBS)
tests_unit_test_tx_SOURCES = tests/unit/test_tx.c
tests_unit_test_tx_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -I$(top_srcdir)
tests_unit_test_tx_LDADD = src/libtxworld.a $(NET_LIBS) $(CMOCKA_LIBS)
tests_unit_test_tx_release_SOURCES = tests/unit/test_tx_release.c
tests_unit_test_tx_release_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -I$(top_srcdir)
tests_unit_test_tx_release_LDADD = src/libtxworld.a $(NET_LIBS) $(CMOCKA_LIBS)
endif
if HAVE_CMOCKA
POOL_TESTS = tests/unit/test_outq tests/unit/test_spool tests/unit/test_sched \
  tests/unit/test_sched_life tests/unit/test_sched_share tests/unit/test_killers \
  tests/unit/test_cache tests/unit/test_capacity
check_PROGRAMS += $(POOL_TESTS)
TESTS += $(POOL_TESTS)
tests_unit_test_outq_SOURCES = tests/unit/test_outq.c
tests_unit_test_outq_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_outq_LDADD = $(NET_LIBS) $(CMOCKA_LIBS)
tests_unit_test_capacity_SOURCES = tests/unit/test_capacity.c
tests_unit_test_capacity_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_capacity_LDADD = $(NET_LIBS) $(CMOCKA_LIBS)
tests_unit_test_spool_SOURCES = tests/unit/test_spool.c
tests_unit_test_spool_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_spool_LDADD = $(NET_LIBS) $(CMOCKA_LIBS)
SCHED_WORLD = tests/unit/sched_world.h tests/unit/sched_world.c
tests_unit_test_sched_SOURCES = tests/unit/test_sched.c $(SCHED_WORLD)
tests_unit_test_sched_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -I$(top_srcdir)
tests_unit_test_sched_LDADD = $(NET_LIBS) $(CMOCKA_LIBS)
tests_unit_test_sched_share_SOURCES = tests/unit/test_sched_share.c $(SCHED_WORLD)
tests_unit_test_sched_share_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -I$(top_srcdir)
tests_unit_test_sched_share_LDADD = $(NET_LIBS) $(CMOCKA_LIBS)
tests_unit_test_killers_SOURCES = tests/unit/test_killers.c
tests_unit_test_killers_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_killers_LDADD = $(NET_LIBS) $(CMOCKA_LIBS)
tests_unit_test_cache_SOURCES = tests/unit/test_cache.c
tests_unit_test_cache_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_cache_LDADD = $(NET_LIBS) $(CMOCKA_LIBS)
tests_unit_test_sched_life_SOURCES = tests/unit/test_sched_life.c $(SCHED_WORLD)
tests_unit_test_sched_life_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -I$(top_srcdir)
tests_unit_test_sched_life_LDADD = $(NET_LIBS) $(CMOCKA_LIBS)
endif
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_tx_generation tests/unit/test_tx_shared
TESTS += tests/unit/test_tx_generation tests/unit/test_tx_shared
tests_unit_test_tx_shared_SOURCES = tests/unit/test_tx_shared.c
tests_unit_test_tx_shared_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -I$(top_srcdir)
tests_unit_test_tx_shared_LDADD = src/libtxworld.a $(NET_LIBS) $(CMOCKA_LIBS)
tests_unit_test_tx_generation_SOURCES = tests/unit/test_tx_generation.c
tests_unit_test_tx_generation_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -I$(top_srcdir)
tests_unit_test_tx_generation_LDADD = src/libtxworld.a $(NET_LIBS) $(CMOCKA_LIBS)
endif
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_transport_tls tests/unit/test_access
TESTS += tests/unit/test_transport_tls tests/unit/test_access
tests_unit_test_transport_tls_SOURCES = tests/unit/test_transport_tls.c
tests_unit_test_transport_tls_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_transport_tls_LDADD = $(NET_LIBS) $(CMOCKA_LIBS)
tests_unit_test_access_SOURCES = tests/unit/test_access.c
tests_unit_test_access_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_access_LDADD = $(NET_LIBS) $(CMOCKA_LIBS)
endif
