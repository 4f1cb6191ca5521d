noinst_LIBRARIES += src/libipc.a
src_libipc_a_SOURCES = src/ipc/msg.def src/ipc/msg.h src/ipc/msg.c src/ipc/wire.h src/ipc/wire.c \
  src/ipc/chan.h src/ipc/chan.c src/ipc/privdrop.h src/ipc/privdrop.c
IPC_LIBS = src/libipc.a $(EVENT_LIBS)
