#pragma once
/*
 * Kubernetes' protobuf form, led by the tables of kind.h: "k8s\0" and a runtime.Unknown {1: typeMeta {1: apiVersion,
 * 2: kind}, 2: raw, 3: contentEncoding, 4: contentType} whose raw bytes are the message.
 * Source: protobuf.dev encoding; k8s.io/apimachinery/pkg/runtime/serializer/protobuf.
 */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "clusterd/api/codec.h"

/* DATA with its envelope as the JSON value it stands for, as it is on the wire: json_prune gives it its final form.
 * Fields that the tables do not know are skipped. New reference; NULL with REASON_BAD_REQUEST. */
json_t *protobuf_decode(const ApiMessage *message, const void *data, gsize length, GError **error);

/* The envelope's apiVersion and kind (freed by the caller, NULL when empty). False with REASON_BAD_REQUEST. */
bool protobuf_peek(const void *data, gsize length, char **api_version, char **kind, GError **error);
