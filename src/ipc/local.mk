noinst_LIBRARIES += src/libipc.a
src_libipc_a_SOURCES = src/ipc/msg.def src/ipc/msg.h src/ipc/msg.c src/ipc/wire.h src/ipc/wire.c src/ipc/progress.h src/ipc/progress.c \
  src/ipc/chan.h src/ipc/chan.c
IPC_LIBS = src/libipc.a $(EVENT_LIBS)
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_msg tests/unit/test_chan
TESTS += tests/unit/test_msg tests/unit/test_chan
tests_unit_test_msg_SOURCES = tests/unit/test_msg.c
tests_unit_test_msg_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_msg_LDADD = $(IPC_LIBS) $(CMOCKA_LIBS) $(BASE_LIBS)
tests_unit_test_chan_SOURCES = tests/unit/test_chan.c
tests_unit_test_chan_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_chan_LDADD = $(IPC_LIBS) $(CMOCKA_LIBS) $(BASE_LIBS)
endif
