# libengine: libclamav and what keeps it honest.
noinst_LIBRARIES += src/libengine.a
src_libengine_a_SOURCES = src/engine/engine.h src/engine/engine_common.c \
  src/engine/engine_flags.h src/engine/engine_flags.c src/engine/engine_int.h \
  src/engine/engine_clamav.c src/engine/engine_prefix.c \
  src/engine/allow.h src/engine/allow.c src/engine/cfb.h src/engine/cfb.c \
  src/engine/looks.h src/engine/looks.c \
  src/engine/engine_selftest.c src/engine/engine_db.h src/engine/engine_db.c \
  src/engine/prewarm.h src/engine/prewarm.c src/engine/charsets.def \
  src/engine/engine_own.c src/engine/names.h src/engine/names.c \
  src/engine/tripwire.h src/engine/tripwire.c src/engine/tripwire_alloc.c \
  src/engine/sscanf.c \
  src/engine/tripwire_paths.c src/engine/paths.def src/engine/real.h \
  src/engine/wish.h src/engine/wish.c src/engine/tripwire_maps.c
src_libengine_a_SOURCES += src/engine/engine_clamav_load.c src/engine/engine_samples.h src/engine/engine_samples.c
src_libengine_a_SOURCES += src/engine/layers.h src/engine/layers.c
src_libengine_a_CFLAGS = $(AM_CFLAGS) $(CLAMAV_CFLAGS)
ENGINE_LIBS = src/libengine.a $(CLAMAV_LIBS) $(ZLIB_LIBS)
# The tripwire replaces functions of the C library that libclamav calls; of
# these nobody here calls sscanf() by this name.
ENGINE_LDFLAGS = $(AM_LDFLAGS) -rdynamic -Wl,-u,sscanf
if HAVE_CMOCKA
check_LIBRARIES += src/libenginefake.a
src_libenginefake_a_SOURCES = src/engine/engine_fake.c src/engine/engine_common.c src/engine/cfb.c
src_libenginefake_a_CFLAGS = $(AM_CFLAGS)
check_LIBRARIES += src/libengineutil.a
src_libengineutil_a_SOURCES = tests/unit/engine_util.h tests/unit/engine_util.c \
  tests/unit/cfb_util.h tests/unit/cfb_util.c tests/unit/cvd_util.h \
  tests/unit/cvd_util.c
src_libengineutil_a_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -I$(top_srcdir)
ENGINE_TEST_LIBS = src/libengineutil.a $(ENGINE_LIBS) $(CMOCKA_LIBS) \
  $(BASE_LIBS) $(ZLIB_LIBS)
check_PROGRAMS += tests/unit/test_engine tests/unit/test_engine_prefix
TESTS += tests/unit/test_engine tests/unit/test_engine_prefix
tests_unit_test_engine_SOURCES = tests/unit/test_engine.c
tests_unit_test_engine_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -I$(top_srcdir)
tests_unit_test_engine_LDFLAGS = $(ENGINE_LDFLAGS)
tests_unit_test_engine_LDADD = $(ENGINE_TEST_LIBS)
tests_unit_test_engine_prefix_SOURCES = tests/unit/test_engine_prefix.c
tests_unit_test_engine_prefix_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -I$(top_srcdir)
tests_unit_test_engine_prefix_LDFLAGS = $(ENGINE_LDFLAGS)
tests_unit_test_engine_prefix_LDADD = $(ENGINE_TEST_LIBS)
check_PROGRAMS += tests/unit/test_engine_options tests/unit/test_allow tests/unit/test_looks
TESTS += tests/unit/test_engine_options tests/unit/test_allow tests/unit/test_looks
tests_unit_test_looks_SOURCES = tests/unit/test_looks.c
tests_unit_test_looks_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -I$(top_srcdir)
tests_unit_test_looks_LDFLAGS = $(ENGINE_LDFLAGS)
tests_unit_test_looks_LDADD = $(ENGINE_TEST_LIBS)
tests_unit_test_allow_SOURCES = tests/unit/test_allow.c
tests_unit_test_allow_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -I$(top_srcdir)
tests_unit_test_allow_LDFLAGS = $(ENGINE_LDFLAGS)
tests_unit_test_allow_LDADD = $(ENGINE_TEST_LIBS)
tests_unit_test_engine_options_SOURCES = tests/unit/test_engine_options.c
tests_unit_test_engine_options_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(CLAMAV_CFLAGS) -I$(top_srcdir)
tests_unit_test_engine_options_LDFLAGS = $(ENGINE_LDFLAGS)
tests_unit_test_engine_options_LDADD = $(ENGINE_TEST_LIBS)
check_PROGRAMS += tests/unit/test_sscanf
TESTS += tests/unit/test_sscanf
tests_unit_test_sscanf_SOURCES = tests/unit/test_sscanf.c
tests_unit_test_sscanf_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_sscanf_LDFLAGS = $(ENGINE_LDFLAGS)
tests_unit_test_sscanf_LDADD = src/libengine.a $(CMOCKA_LIBS) $(BASE_LIBS)
check_PROGRAMS += tests/unit/test_engine_db tests/unit/test_names \
  tests/unit/test_tripwire
TESTS += tests/unit/test_engine_db tests/unit/test_names \
  tests/unit/test_tripwire
tests_unit_test_engine_db_SOURCES = tests/unit/test_engine_db.c
tests_unit_test_engine_db_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -I$(top_srcdir)
tests_unit_test_engine_db_LDFLAGS = $(ENGINE_LDFLAGS)
tests_unit_test_engine_db_LDADD = $(ENGINE_TEST_LIBS)
tests_unit_test_names_SOURCES = tests/unit/test_names.c
tests_unit_test_names_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_names_LDADD = src/libengine.a $(CMOCKA_LIBS) $(BASE_LIBS)
tests_unit_test_tripwire_SOURCES = tests/unit/test_tripwire.c
tests_unit_test_tripwire_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_tripwire_LDFLAGS = $(ENGINE_LDFLAGS)
tests_unit_test_tripwire_LDADD = src/libengine.a $(CMOCKA_LIBS) $(BASE_LIBS)
check_PROGRAMS += tests/unit/test_wish
TESTS += tests/unit/test_wish
tests_unit_test_wish_SOURCES = tests/unit/test_wish.c
tests_unit_test_wish_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(CLAMAV_CFLAGS)
tests_unit_test_wish_LDFLAGS = $(ENGINE_LDFLAGS)
tests_unit_test_wish_LDADD = $(ENGINE_LIBS) $(CMOCKA_LIBS) $(BASE_LIBS)
endif
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_engine_load
TESTS += tests/unit/test_engine_load
tests_unit_test_engine_load_SOURCES = tests/unit/test_engine_load.c
tests_unit_test_engine_load_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -I$(top_srcdir)
tests_unit_test_engine_load_LDFLAGS = $(ENGINE_LDFLAGS)
tests_unit_test_engine_load_LDADD = $(ENGINE_TEST_LIBS)
check_PROGRAMS += tests/unit/test_prewarm
TESTS += tests/unit/test_prewarm
tests_unit_test_prewarm_SOURCES = tests/unit/test_prewarm.c
tests_unit_test_prewarm_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_prewarm_LDFLAGS = $(ENGINE_LDFLAGS)
tests_unit_test_prewarm_LDADD = $(ENGINE_LIBS) $(SANDBOX_LIBS) $(IPC_LIBS) \
  $(CMOCKA_LIBS) $(BASE_LIBS)
endif
