noinst_LIBRARIES += src/libnet.a
src_libnet_a_SOURCES =
src_libnet_a_SOURCES += src/net/tx_states.def src/net/core.h src/net/core.c src/net/tx.h src/net/tx.c
src_libnet_a_SOURCES += src/net/tx_heads.c src/net/tx_body.c src/net/tx_scan.c src/net/tx_reply.c
src_libnet_a_SOURCES += src/net/tx_trickle.c src/net/tx_stream.c src/net/tx_log.c
src_libnet_a_SOURCES += src/net/outq.h src/net/outq.c src/net/transport.h src/net/transport_plain.c
src_libnet_a_SOURCES += src/net/conn.h src/net/conn.c src/net/listener.h src/net/listener.c
src_libnet_a_SOURCES += src/net/workers.h src/net/workers.c src/net/spool.h src/net/spool.c src/net/sched.h src/net/sched.c
