# Fuzz targets. With --enable-fuzzing (clang) they are linked against libFuzzer; else with replay.c, which runs them over
# corpus/NAME in `make check`. To add one: its name to the list, and its SOURCES and LDADD below.
if FUZZING
fuzz_main =
fuzz_ldflags = $(AM_LDFLAGS) -fsanitize=fuzzer
else
fuzz_main = tests/fuzz/replay.c
fuzz_ldflags = $(AM_LDFLAGS)
endif

EXTRA_DIST += %D%/corpus

check_PROGRAMS += %D%/fuzz-websocket
TESTS += %D%/fuzz-websocket
%C%_fuzz_websocket_SOURCES = %D%/fuzz-websocket.c $(fuzz_main)
%C%_fuzz_websocket_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_websocket_LDADD = src/clusterd/server/libserver.a src/base/libbase.a $(BASE_LIBS)

check_PROGRAMS += %D%/fuzz-spdy
TESTS += %D%/fuzz-spdy
%C%_fuzz_spdy_SOURCES = %D%/fuzz-spdy.c $(fuzz_main)
%C%_fuzz_spdy_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_spdy_LDADD = src/clusterd/server/libserver.a src/base/libbase.a $(ZLIB_LIBS) $(BASE_LIBS)

check_PROGRAMS += %D%/fuzz-dns
TESTS += %D%/fuzz-dns
%C%_fuzz_dns_SOURCES = %D%/fuzz-dns.c $(fuzz_main)
%C%_fuzz_dns_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_dns_LDADD = $(dns_test_libs)
check_PROGRAMS += %D%/fuzz-dns-reply
TESTS += %D%/fuzz-dns-reply
%C%_fuzz_dns_reply_SOURCES = %D%/fuzz-dns-reply.c $(fuzz_main)
%C%_fuzz_dns_reply_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_dns_reply_LDADD = $(dns_test_libs)

check_PROGRAMS += %D%/fuzz-corefile
TESTS += %D%/fuzz-corefile
%C%_fuzz_corefile_SOURCES = %D%/fuzz-corefile.c $(fuzz_main)
%C%_fuzz_corefile_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_corefile_LDADD = $(dns_test_libs)

fuzz_api_libs = src/clusterd/api/libapi.a src/base/libbase.a $(BASE_LIBS) -lm

check_PROGRAMS += %D%/fuzz-json-intake
TESTS += %D%/fuzz-json-intake
%C%_fuzz_json_intake_SOURCES = %D%/fuzz-json-intake.c $(fuzz_main)
%C%_fuzz_json_intake_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_json_intake_LDADD = $(fuzz_api_libs)

check_PROGRAMS += %D%/fuzz-protobuf
TESTS += %D%/fuzz-protobuf
%C%_fuzz_protobuf_SOURCES = %D%/fuzz-protobuf.c $(fuzz_main)
%C%_fuzz_protobuf_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_protobuf_LDADD = $(fuzz_api_libs)

check_PROGRAMS += %D%/fuzz-custom-schema
TESTS += %D%/fuzz-custom-schema
%C%_fuzz_custom_schema_SOURCES = %D%/fuzz-custom-schema.c $(fuzz_main)
%C%_fuzz_custom_schema_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_custom_schema_LDADD = $(fuzz_api_libs)

check_PROGRAMS += %D%/fuzz-iso
TESTS += %D%/fuzz-iso
%C%_fuzz_iso_SOURCES = %D%/fuzz-iso.c $(fuzz_main)
%C%_fuzz_iso_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_iso_LDADD = src/driver/libdriver.a src/base/libbase.a $(BASE_LIBS)

check_PROGRAMS += %D%/fuzz-selector
TESTS += %D%/fuzz-selector
%C%_fuzz_selector_SOURCES = %D%/fuzz-selector.c $(fuzz_main)
%C%_fuzz_selector_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_selector_LDADD = $(fuzz_api_libs)

check_PROGRAMS += %D%/fuzz-patch
TESTS += %D%/fuzz-patch
%C%_fuzz_patch_SOURCES = %D%/fuzz-patch.c $(fuzz_main)
%C%_fuzz_patch_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_patch_LDADD = $(fuzz_api_libs)

check_PROGRAMS += %D%/fuzz-config
TESTS += %D%/fuzz-config
%C%_fuzz_config_SOURCES = %D%/fuzz-config.c src/clusterd/cluster_config.c src/clusterd/options.c $(fuzz_main)
%C%_fuzz_config_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_config_LDADD = src/base/libbase.a $(BASE_LIBS) -lm

check_PROGRAMS += %D%/fuzz-layer
TESTS += %D%/fuzz-layer
%C%_fuzz_layer_SOURCES = %D%/fuzz-layer.c $(fuzz_main)
%C%_fuzz_layer_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_layer_LDADD = src/clusterd/node/libnode.a src/base/libbase.a $(TAR_LIBS) $(BASE_LIBS) -lm

fuzz_image_libs = src/clusterd/node/libnode.a src/base/libbase.a $(TAR_LIBS) $(BASE_LIBS) -lm

check_PROGRAMS += %D%/fuzz-image-archive
TESTS += %D%/fuzz-image-archive
%C%_fuzz_image_archive_SOURCES = %D%/fuzz-image-archive.c $(fuzz_main)
%C%_fuzz_image_archive_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_image_archive_LDADD = $(fuzz_image_libs) $(CURL_LIBS)

check_PROGRAMS += %D%/fuzz-image-reference
TESTS += %D%/fuzz-image-reference
%C%_fuzz_image_reference_SOURCES = %D%/fuzz-image-reference.c $(fuzz_main)
%C%_fuzz_image_reference_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_image_reference_LDADD = $(fuzz_image_libs)

check_PROGRAMS += %D%/fuzz-registry
TESTS += %D%/fuzz-registry
%C%_fuzz_registry_SOURCES = %D%/fuzz-registry.c $(fuzz_main)
%C%_fuzz_registry_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_registry_LDADD = $(fuzz_image_libs)

check_PROGRAMS += %D%/fuzz-html
TESTS += %D%/fuzz-html
%C%_fuzz_html_SOURCES = %D%/fuzz-html.c $(fuzz_main)
%C%_fuzz_html_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_html_LDADD = src/clusterd/server/libserver.a src/base/libbase.a $(LIBEVENT_LIBS) $(BASE_LIBS)

check_PROGRAMS += %D%/fuzz-etcd
TESTS += %D%/fuzz-etcd
%C%_fuzz_etcd_SOURCES = %D%/fuzz-etcd.c $(fuzz_main)
%C%_fuzz_etcd_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_etcd_LDADD = src/clusterd/store/libstore.a src/base/libbase.a $(CURL_LIBS) $(PROTOBUF_LIBS) $(BASE_LIBS)

check_PROGRAMS += %D%/fuzz-stats
TESTS += %D%/fuzz-stats
%C%_fuzz_stats_SOURCES = %D%/fuzz-stats.c $(fuzz_main)
%C%_fuzz_stats_LDFLAGS = $(fuzz_ldflags)
%C%_fuzz_stats_LDADD = src/clusterd/node/libnode.a src/base/libbase.a $(BASE_LIBS)
