noinst_LIBRARIES += src/libproto.a
src_libproto_a_SOURCES = src/proto/errors.def src/proto/errors.h src/proto/errors.c \
  src/proto/encap.h src/proto/encap.c src/proto/icap_head.h src/proto/icap_head.c \
  src/proto/http_head.h src/proto/http_head.c src/proto/chunk.h src/proto/chunk.c \
  src/proto/icap_rx.h src/proto/icap_rx.c src/proto/icap_out.h src/proto/icap_out.c
