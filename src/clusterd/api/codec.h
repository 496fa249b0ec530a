#pragma once
/* Bytes of a request body into JSON values and back, by content type, led by the tables of kind.h.
 * The protobuf envelope is "k8s\0" followed by runtime.Unknown {1: typeMeta {1: apiVersion, 2: kind}, 2: raw}.
 * Source: k8s.io/apimachinery/pkg/runtime/generated.proto and serializer/protobuf. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "clusterd/api/scheme.h"

#define CODEC_DEPTH_MAX 64

typedef enum CodecType { CODEC_JSON, CODEC_YAML, CODEC_PROTOBUF } CodecType;

typedef enum FieldValidation {
  FIELD_VALIDATION_IGNORE,
  FIELD_VALIDATION_WARN,
  FIELD_VALIDATION_STRICT
} FieldValidation;

/* The codec of a Content-Type value (parameters ignored; NULL or "" is JSON). False with
 * REASON_UNSUPPORTED_MEDIA_TYPE and upstream's text. */
bool codec_of_content_type(const char *content_type, CodecType *type, GError **error);

/* Decodes a body that must hold a MESSAGE. TYPE_NAME ("v1", "Pod") is what upstream calls it in error texts. Unknown
 * and duplicate fields follow VALIDATION: refused with REASON_BAD_REQUEST, or appended as texts to WARNINGS (may be
 * NULL) and dropped. Wrong types are REASON_BAD_REQUEST always. Returns a new reference, its members in table order,
 * with apiVersion and kind as the body gave them. */
json_t *codec_decode(CodecType type, const ApiMessage *message, const char *version, const char *kind, const void *data,
                     gsize length, FieldValidation validation, json_t *warnings, GError **error);

/* Plain JSON, for patches; its errors say what Go's parser says. New reference; NULL with REASON_BAD_REQUEST. */
json_t *codec_parse_json(const char *text, gsize length, GError **error);

/* apiVersion and kind of a body without decoding the rest (both freed by the caller, NULL when absent). */
bool codec_peek(CodecType type, const void *data, gsize length, char **api_version, char **kind, GError **error);

/* VALUE as a protobuf message with its envelope (for replies that ask for protobuf, and for tests). */
GBytes *codec_encode_protobuf(const ApiMessage *message, const char *api_version, const char *kind, const json_t *value,
                              GError **error);

/* A list in protobuf: METADATA is its ListMeta, VALUES (json_t*) its items, each a MESSAGE. */
GBytes *codec_encode_protobuf_list(const ApiMessage *message, const char *api_version, const char *list_kind,
                                   const json_t *metadata, GPtrArray *values, GError **error);

/* One event of a watch in protobuf: four bytes of length (big-endian), then a meta/v1 WatchEvent of TYPE around OBJECT,
 * which is what codec_encode_protobuf made. */
GBytes *codec_protobuf_event(const char *type, GBytes *object);

/* Checks a JSON value against MESSAGE as codec_decode does after parsing, in place: drops unknown fields, refuses
 * wrong types. For patches' results and in-process callers. */
bool codec_prune(const ApiMessage *message, const char *version, const char *kind, json_t *value,
                 FieldValidation validation, json_t *warnings, GError **error);
