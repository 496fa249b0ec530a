#pragma once
/* Which form of a reply the client takes: of the Accept header's entries, by falling q, the first that can be made. */
#include <glib.h>
#include <stdbool.h>

typedef enum ReplyFormat { REPLY_JSON, REPLY_YAML, REPLY_PROTOBUF } ReplyFormat;
typedef enum ReplyShape { REPLY_OBJECT, REPLY_TABLE, REPLY_PARTIAL } ReplyShape;

typedef struct Accept {
  ReplyFormat format;
  ReplyShape shape;
  const char *shape_version; /* "v1", "v1beta1": of meta.k8s.io, for tables and partial metadata */
} Accept;

/* What the request could be answered with besides JSON. */
typedef struct AcceptLimits {
  bool shapes;   /* tables and partial metadata */
  bool protobuf; /* false for kinds that have no protobuf form */
  bool stream;   /* a watch: no YAML */
  bool list;     /* of a collection; for the error's text alone */
} AcceptLimits;

/* Reads HEADER (NULL: anything). False with REASON_NOT_ACCEPTABLE and upstream's text when nothing fits. */
bool accept_parse(const char *header, const AcceptLimits *limits, Accept *accept, GError **error);

/* For documents of one fixed form: true when HEADER takes TYPE ("application/json"), also by wildcards. */
bool accept_takes(const char *header, const char *type);
