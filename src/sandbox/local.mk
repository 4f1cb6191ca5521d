# What confines each process.
noinst_LIBRARIES += src/libsandbox.a
src_libsandbox_a_SOURCES = src/sandbox/sandbox.h src/sandbox/sandbox.c \
  src/sandbox/protections.def src/sandbox/syscalls.def src/sandbox/parts.h \
  src/sandbox/calls.c src/sandbox/landlock.c src/sandbox/root.c \
  src/sandbox/privdrop.h src/sandbox/privdrop.c
src_libsandbox_a_CFLAGS = $(AM_CFLAGS) $(SECCOMP_CFLAGS)
SANDBOX_LIBS = src/libsandbox.a $(SECCOMP_LIBS)
