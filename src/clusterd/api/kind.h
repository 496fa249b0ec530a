#pragma once
/*
 * The API as data: what is known of every kind. The tables behind these types are generated at build time from the
 * *.kinds files (see kinds/kinds.md) and are constant; kinds added at run time (CustomResourceDefinitions)
 * make the same structures on the heap. Every engine of this folder works from them and knows no kind by name.
 */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct ApiMessage ApiMessage;
typedef struct ApiKind ApiKind;
typedef struct FieldErrors FieldErrors; /* field_errors.h */
typedef struct ApiSchema ApiSchema;     /* schema.h */
typedef struct ApiCustom ApiCustom;     /* custom_definition.h */
typedef struct JsonPath JsonPath;       /* json_path.h */

typedef enum ApiType {
  API_STRING,
  API_BOOL,
  API_INT32,
  API_INT64,
  API_DOUBLE,
  API_BYTES,         /* base64 in JSON */
  API_TIME,          /* RFC 3339 in JSON, Timestamp message in protobuf */
  API_MICRO_TIME,    /* as API_TIME, with microseconds */
  API_QUANTITY,      /* string in JSON (numbers accepted), message {1: string} in protobuf */
  API_INT_OR_STRING, /* message {1: type, 2: int, 3: string} in protobuf */
  API_RAW,           /* any JSON: RawExtension, JSON; message {1: bytes} in protobuf */
  API_FIELDS_V1,     /* the managedFields set: an object in JSON, message {1: bytes} in protobuf */
  API_STRINGS,       /* an array of strings in JSON, message {1: repeated string} in protobuf (ExtraValue) */
  API_MESSAGE,
  /* A message or something simpler, told apart by what it is in JSON; a message of two members in protobuf. Patches and
   * appliers take such a value as a whole. */
  API_OR_BOOL,    /* {1: bool, 2: message} */
  API_OR_LIST,    /* {1: message, 2: repeated message} */
  API_OR_STRINGS, /* {1: message, 2: repeated string} */
} ApiType;

typedef enum ApiFieldFlags {
  API_FIELD_LIST = 1 << 0,          /* repeated */
  API_FIELD_MAP = 1 << 1,           /* map<string, type> */
  API_FIELD_REQUIRED = 1 << 2,      /* among OpenAPI's required members; always written, as KEEP_EMPTY */
  API_FIELD_OPTIONAL = 1 << 3,      /* a pointer upstream: absent and zero differ */
  API_FIELD_PATCH_MERGE = 1 << 4,   /* x-kubernetes-patch-strategy: merge */
  API_FIELD_PATCH_RETAIN = 1 << 5,  /* … retainKeys */
  API_FIELD_PATCH_REPLACE = 1 << 6, /* … replace */
  API_FIELD_LIST_SET = 1 << 7,      /* x-kubernetes-list-type: set */
  API_FIELD_LIST_MAP = 1 << 8,      /* … map, keyed by list_map_keys */
  API_FIELD_LIST_ATOMIC = 1 << 9,   /* … atomic; also the meaning of no list type */
  API_FIELD_MAP_ATOMIC = 1 << 10,   /* x-kubernetes-map-type: atomic (also on messages) */
  API_FIELD_IMMUTABLE = 1 << 11,    /* validation: may not change once set */
  API_FIELD_KEEP_EMPTY = 1 << 12,   /* no omitempty upstream: always written, e.g. Pod.spec.containers */
  API_FIELD_INLINE = 1 << 13,       /* protobuf sub-message whose fields lie flat in JSON (Probe.handler) */
  API_FIELD_NONEMPTY = 1 << 14,     /* validation: must be given, and not "" or [], whatever REQUIRED says */
  API_FIELD_UNCHECKED = 1 << 15,    /* validation: what is inside is not judged by the tables */
} ApiFieldFlags;

typedef struct ApiField {
  const char *name;                 /* JSON name */
  const char *description;          /* one line of our own; "" when not written yet */
  uint16_t number;                  /* protobuf */
  uint16_t flags;                   /* ApiFieldFlags */
  uint8_t type;                     /* ApiType: of the element, for lists and maps */
  const ApiMessage *message;        /* API_MESSAGE and API_OR_…: of the element */
  const char *merge_key;            /* with API_FIELD_PATCH_MERGE on a list of messages, else NULL */
  const char *const *list_map_keys; /* NULL-terminated; with API_FIELD_LIST_MAP */
  const char *default_json;         /* JSON text of the default, or NULL */
  const char *const *allowed;       /* NULL-terminated enumeration, or NULL */
  const char *format;               /* validation rule by name (validation.h), or NULL */
  int64_t minimum, maximum;         /* of a number; both 0: unbounded */
} ApiField;

struct ApiMessage {
  const char *name; /* OpenAPI v3 name: "io.k8s.api.core.v1.PodSpec" */
  const char *description;
  const ApiField *fields; /* in the order upstream writes them in JSON */
  uint16_t n_fields;
  /* Made by the generator for fast lookup, NULL on messages made at run time: the fields with those of inlined messages
   * sorted by JSON name, and the indexes of fields by rising protobuf number. */
  const ApiField *const *by_name;
  uint16_t n_by_name;
  const uint16_t *by_number;
  /* Defaulting and validation that no table can say; NULL mostly. PATH is the field path of VALUE
   * ("spec.containers[0]"). */
  void (*set_defaults)(json_t *value);
  void (*validate)(const json_t *value, const char *path, FieldErrors *errors);
  /* Of a custom resource: what the definition says of everything but metadata, which is the only field. */
  const ApiSchema *schema;
};

/* The field of MESSAGE with this JSON name (fields of API_FIELD_INLINE messages included), or NULL. O(log n) or better.
 */
const ApiField *api_message_field(const ApiMessage *message, const char *name);

typedef enum ApiVerb {
  API_VERB_GET = 1 << 0,
  API_VERB_LIST = 1 << 1,
  API_VERB_WATCH = 1 << 2,
  API_VERB_CREATE = 1 << 3,
  API_VERB_UPDATE = 1 << 4,
  API_VERB_PATCH = 1 << 5,
  API_VERB_DELETE = 1 << 6,
  API_VERB_DELETECOLLECTION = 1 << 7,
} ApiVerb;

/* The field of MESSAGE itself with this protobuf number, or NULL. */
const ApiField *api_message_field_by_number(const ApiMessage *message, uint32_t number);

/* The RBAC and discovery name of one verb bit ("deletecollection"). */
const char *api_verb_name(ApiVerb verb);

/* A printer column (Table). The cell comes from CELL when it is set, then from JSON_PATH, else from the member at PATH.
 */
typedef struct ApiColumn {
  const char *name;   /* "Ready" */
  const char *type;   /* "string", "integer", "number", "boolean", "date" */
  const char *format; /* "name" for the first column, else "" */
  const char *description;
  int priority;                                          /* 0 always shown, 1 with -o wide */
  const char *path;                                      /* dotted member path, or NULL */
  json_t *(*cell)(const json_t *object, int64_t now_us); /* new reference */
  const JsonPath *json_path;                             /* of a custom resource's column, or NULL */
} ApiColumn;

typedef struct ApiSubresource {
  const char *name;                   /* "status", "scale", "log", "exec", … */
  const char *group, *version, *kind; /* of what it speaks; group NULL: the parent's own group and version */
  uint16_t verbs;                     /* ApiVerb bits */
} ApiSubresource;

/* How a field selector finds its value. Besides these every kind has metadata.name and metadata.namespace. */
typedef struct ApiSelectableField {
  const char *name;     /* "spec.nodeName" */
  const char *fallback; /* the value when the member is absent */
  const char *path;     /* dotted path of the member, or NULL: NAME ("status.successful" is status.succeeded) */
} ApiSelectableField;

typedef struct ApiWriteContext {
  bool is_update;
  const char *subresource;     /* NULL for the main resource */
  const char *user;            /* who asks */
  const struct ApiKind *asked; /* whose path the request is for: an older version, maybe; NULL: the one stored */
} ApiWriteContext;

/* What upstream calls the strategy of a resource: the rules that are code. Every member may be NULL. */
typedef struct ApiStrategy {
  /* Before validation of a create: clears what clients may not set (status), fills what the server owns. */
  void (*prepare_create)(json_t *object);
  /* Before validation of an update: carries over from OLD what this write may not change. Generation is bumped by
   * the registry when spec changed. */
  void (*prepare_update)(json_t *object, const json_t *old, const ApiWriteContext *context);
  void (*validate_create)(const json_t *object, FieldErrors *errors);
  void (*validate_update)(const json_t *object, const json_t *old, const ApiWriteContext *context, FieldErrors *errors);
  /* The same for what depends on the request; OLD is NULL on create, CONTEXT may be. */
  void (*validate_request)(const json_t *object, const json_t *old, const ApiWriteContext *context,
                           FieldErrors *errors);
  /* Warnings (RFC 7234 `Warning: 299`) for a write; appended to the array of strings. */
  void (*warn)(const json_t *object, json_t *warnings);
} ApiStrategy;

struct ApiKind {
  const char *group;   /* "" for core */
  const char *version; /* "v1" */
  const char *kind;    /* "Pod" */
  const char *list_kind;
  const char *plural; /* "pods" */
  const char *singular;
  const char *const *short_names; /* NULL-terminated, may be NULL */
  const char *const *categories;  /* NULL-terminated, may be NULL */
  const char *description;
  const char *name_format; /* the rule of metadata.name (api_validate_format); NULL: dns1123subdomain */
  bool namespaced;
  bool allow_create_on_update;    /* PUT creates (upstream AllowCreateOnUpdate) */
  bool require_version_on_update; /* PUT needs resourceVersion */
  bool orphan_by_default;         /* delete without a policy orphans dependents (core/v1 RC, batch/v1 Job) */
  bool has_spec_generation;       /* metadata.generation counts changes of spec */
  bool compact;                   /* many, and seldom looked into here: only the bytes of its objects are kept */
  bool measured;                  /* never stored: made when asked for, and only in JSON (api_scheme_enable) */
  uint16_t verbs;
  const ApiMessage *message;
  const ApiSubresource *subresources;
  uint16_t n_subresources;
  const ApiColumn *columns;
  uint16_t n_columns;
  const ApiSelectableField *selectable;
  uint16_t n_selectable;
  const ApiStrategy *strategy; /* NULL: none */
  /* The kind objects of this one are stored as; itself, unless this is a legacy version. Conversion between the two
   * is in convert_to_storage / convert_from_storage (new reference each), NULL when only apiVersion differs. */
  const ApiKind *storage;
  json_t *(*convert_to_storage)(const json_t *object);
  json_t *(*convert_from_storage)(const json_t *object);
  const char *deprecation; /* Warning text for every request to this version, or NULL */
  const ApiCustom *custom; /* what only kinds made at run time have; NULL: built in */
};

/* The subresource of KIND by name, or NULL. */
const ApiSubresource *api_kind_subresource(const ApiKind *kind, const char *name);

/* "v1", "apps/v1": the caller frees. */
char *api_group_version(const ApiKind *kind);

/* "pods", "deployments.apps": as messages of the API name a resource. The caller frees. */
char *api_qualified_resource(const ApiKind *kind);
