#pragma once
/* Which form of a reply the client takes. The first entry of the Accept header that we can make wins. */
#include <glib.h>
#include <stdbool.h>

typedef enum ReplyFormat { REPLY_JSON, REPLY_YAML, REPLY_PROTOBUF } ReplyFormat;
typedef enum ReplyShape { REPLY_OBJECT, REPLY_TABLE, REPLY_PARTIAL } ReplyShape;

typedef struct Accept {
  ReplyFormat format;
  ReplyShape shape;
  const char *shape_version; /* "v1", "v1beta1": of meta.k8s.io, for tables and partial metadata */
} Accept;

/* Reads HEADER (NULL: anything). SHAPES: tables and partial metadata may be chosen. False when nothing fits (406). */
bool accept_parse(const char *header, bool shapes, Accept *accept);

/* For documents of one fixed form: true when HEADER takes TYPE ("application/json"), also by wildcards. */
bool accept_takes(const char *header, const char *type);
