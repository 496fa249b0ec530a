#pragma once
/*
 * The one catalogue of everything that can go wrong, for both programs.
 *
 * A Reason carries a stable id (scripts match on it), the launcher's exit code (minikube's decades: program 10,
 * resource 20, host 30, internet 40, driver 50, provider 60, local network 70, guest 80, runtime 90, control plane
 * 100, service 110; plus 1 conflict, 2 timeout, 3 not running, 4 usage, 5 not found, 6 unsupported, 7 permission,
 * 8 config, 9 unavailable), the HTTP status and the Kubernetes reason of the API, and advice for a person.
 *
 * Errors travel as GError in the domain LAUNCHER_ERROR whose code is a Reason. They become text in two places
 * only: launcher's main and clusterd's response writer.
 */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

/* X(enumerator, id, exit code, HTTP status, Kubernetes reason, advice) */
#define REASON_CATALOGUE(X)                                                                                            \
  X(INTERNAL, "INTERNAL_ERROR", 10, 500, "InternalError", "")                                                          \
  /* a failure upstream gives no reason for: its clients see none either */                                            \
  X(UNKNOWN, "API_UNKNOWN", 1, 500, "", "")                                                                            \
  /* Kubernetes API (apimachinery: meta/v1 StatusReason) */                                                            \
  X(BAD_REQUEST, "API_BAD_REQUEST", 1, 400, "BadRequest", "")                                                          \
  X(UNAUTHORIZED, "API_UNAUTHORIZED", 1, 401, "Unauthorized", "")                                                      \
  X(FORBIDDEN, "API_FORBIDDEN", 1, 403, "Forbidden", "")                                                               \
  X(NOT_FOUND, "API_NOT_FOUND", 1, 404, "NotFound", "")                                                                \
  X(METHOD_NOT_ALLOWED, "API_METHOD_NOT_ALLOWED", 1, 405, "MethodNotAllowed", "")                                      \
  X(NOT_ACCEPTABLE, "API_NOT_ACCEPTABLE", 1, 406, "NotAcceptable", "")                                                 \
  X(ALREADY_EXISTS, "API_ALREADY_EXISTS", 1, 409, "AlreadyExists", "")                                                 \
  X(CONFLICT, "API_CONFLICT", 1, 409, "Conflict", "")                                                                  \
  X(EXPIRED, "API_EXPIRED", 1, 410, "Expired", "")                                                                     \
  X(REQUEST_TOO_LARGE, "API_REQUEST_TOO_LARGE", 1, 413, "RequestEntityTooLarge", "")                                   \
  X(UNSUPPORTED_MEDIA_TYPE, "API_UNSUPPORTED_MEDIA_TYPE", 1, 415, "UnsupportedMediaType", "")                          \
  X(INVALID, "API_INVALID", 1, 422, "Invalid", "")                                                                     \
  X(TOO_MANY_REQUESTS, "API_TOO_MANY_REQUESTS", 1, 429, "TooManyRequests", "")                                         \
  X(SERVICE_UNAVAILABLE, "API_SERVICE_UNAVAILABLE", 1, 503, "ServiceUnavailable", "")                                  \
  X(TIMEOUT, "API_TIMEOUT", 1, 504, "Timeout", "")                                                                     \
  /* launcher: usage and state of the program itself */                                                                \
  X(USAGE, "MK_USAGE", 14, 400, "BadRequest", "Run the command with --help to see what it takes.")                     \
  X(NO_PROFILE, "MK_USAGE_NO_PROFILE", 14, 404, "NotFound", "Create one with: launcher start -p NAME")                 \
  X(CONFIG, "HOST_CONFIG", 18, 500, "InternalError", "")                                                               \
  X(INTERRUPTED, "MK_INTERRUPTED", 2, 500, "InternalError", "")                                                        \
  X(PROFILE_LOCKED, "MK_PROFILE_LOCKED", 11, 409, "Conflict",                                                          \
    "Another launcher command works on this profile: wait for it to end.")                                             \
  X(FILE, "HOST_FILE_IO", 30, 500, "InternalError", "")                                                                \
  X(HOST_PERMISSION, "HOST_PERMISSION", 37, 500, "InternalError", "")                                                  \
  /* resources of the host */                                                                                          \
  X(INSUFFICIENT_MEMORY, "RSRC_INSUFFICIENT_REQ_MEMORY", 23, 400, "BadRequest",                                        \
    "Ask for more memory, for example --memory 2048, or add --force.")                                                 \
  X(OVER_MEMORY, "RSRC_OVER_ALLOC_MEM", 23, 400, "BadRequest", "Ask for less memory than the host has.")               \
  X(INSUFFICIENT_STORAGE, "RSRC_INSUFFICIENT_STORAGE", 26, 507, "InternalError",                                       \
    "Free some space or move LAUNCHER_HOME to a larger disk.")                                                         \
  X(INSUFFICIENT_CORES, "RSRC_INSUFFICIENT_CORES", 29, 400, "BadRequest",                                              \
    "Ask for at least 1 and no more CPUs than the host has, or add --force.")                                          \
  /* boot image */                                                                                                     \
  X(DOWNLOAD, "INET_CACHE_DOWNLOAD", 40, 500, "InternalError",                                                         \
    "Check the network and proxy settings, or pass a file with --iso-url.")                                            \
  X(DOWNLOAD_TIMEOUT, "INET_TIMEOUT", 42, 504, "Timeout", "Try again: the download goes on where it stopped.")         \
  X(DOWNLOAD_NOT_FOUND, "INET_NOT_FOUND", 45, 404, "NotFound", "Check the address given with --iso-url.")              \
  X(IMAGE_INVALID, "INET_IMAGE_INVALID", 48, 500, "InternalError",                                                     \
    "Fetch the boot image again from a place you trust.")                                                              \
  X(IMAGE_UNSIGNED, "INET_IMAGE_UNSIGNED", 47, 500, "InternalError",                                                   \
    "Only images signed with a trusted key are started; see launcher-start(1), --iso-key.")                            \
  /* driver and its provider */                                                                                        \
  X(DRIVER, "DRV_FAILURE", 50, 500, "InternalError", "")                                                               \
  X(DRIVER_CONFLICT, "DRV_CONFLICT", 51, 409, "Conflict", "")                                                          \
  X(DRIVER_UNSUPPORTED, "DRV_UNSUPPORTED_OS", 56, 400, "BadRequest", "Drivers: libvirt, container.")                   \
  X(PROVIDER_NOT_FOUND, "PROVIDER_NOT_FOUND", 65, 500, "InternalError", "Install the packages the message names.")     \
  X(PROVIDER_PERMISSION, "PROVIDER_PERMISSION", 67, 500, "InternalError", "")                                          \
  X(PROVIDER_UNAVAILABLE, "PROVIDER_UNAVAILABLE", 69, 500, "InternalError", "")                                        \
  X(LOCAL_NETWORK, "IF_LOCAL_NETWORK", 70, 500, "InternalError", "")                                                   \
  /* the machine and what runs in it */                                                                                \
  X(GUEST, "GUEST_FAILURE", 80, 500, "InternalError", "Run: launcher logs")                                            \
  X(GUEST_TIMEOUT, "GUEST_START_TIMEOUT", 82, 504, "Timeout", "Run: launcher logs")                                    \
  X(GUEST_NOT_RUNNING, "GUEST_NOT_RUNNING", 83, 503, "ServiceUnavailable", "Start it with: launcher start")            \
  X(GUEST_NOT_FOUND, "GUEST_NOT_FOUND", 85, 404, "NotFound", "Create it with: launcher start")                         \
  X(GUEST_UNAVAILABLE, "GUEST_UNAVAILABLE", 89, 503, "ServiceUnavailable", "")                                         \
  X(RUNTIME, "RUNTIME_FAILURE", 90, 500, "InternalError", "")                                                          \
  X(RUNTIME_NOT_FOUND, "RUNTIME_NOT_FOUND", 95, 404, "NotFound", "")                                                   \
  X(CONTROL_PLANE, "K8S_FAILURE", 100, 500, "InternalError", "Run: launcher logs")                                     \
  X(APISERVER_NOT_RUNNING, "K8S_APISERVER_NOT_RUNNING", 103, 503, "ServiceUnavailable",                                \
    "Start it with: launcher start")                                                                                   \
  X(SERVICE_NOT_FOUND, "SVC_NOT_FOUND", 115, 404, "NotFound", "Run: launcher service list")

typedef enum Reason {
#define X(name, id, exit_code, http, kube, advice) REASON_##name,
  REASON_CATALOGUE(X)
#undef X
      REASON_MAX
} Reason;

typedef struct ReasonInfo {
  const char *id;     /* stable, upper case */
  int exit_code;      /* of launcher */
  int http_status;    /* of clusterd */
  const char *kube;   /* Status.reason */
  const char *advice; /* "" when there is none */
} ReasonInfo;

/* The catalogue's entry of REASON, or that of REASON_INTERNAL when it is out of range. Never NULL. */
const ReasonInfo *reason_info(int reason);

/* The GError domain of both programs. Its errors carry optional details (see reason_set_details). */
#define LAUNCHER_ERROR (launcher_error_quark())
GQuark launcher_error_quark(void);

/* Sets *ERROR (when ERROR is not NULL) to a LAUNCHER_ERROR with the formatted message. Returns false, always, so
 * that a failing function can end with `return reason_set(error, …)`. */
bool reason_set(GError **error, Reason reason, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* As reason_set, and attaches DETAILS: the `details` member of a Kubernetes Status ({name, group, kind, causes:
 * [{reason, message, field}], retryAfterSeconds}). Takes the reference to DETAILS, which may be NULL. */
bool reason_set_details(GError **error, Reason reason, json_t *details, const char *format, ...) G_GNUC_PRINTF(4, 5);

/* As reason_set, with ": " and the text of ERRNO_VALUE appended. */
bool reason_set_errno(GError **error, Reason reason, int errno_value, const char *format, ...) G_GNUC_PRINTF(4, 5);

/* Whoever reads a caller alone, as an analyzer does, sees what these three return. */
#define reason_set(...)                                                                                                \
  ({                                                                                                                   \
    reason_set(__VA_ARGS__);                                                                                           \
    false;                                                                                                             \
  })
#define reason_set_details(...)                                                                                        \
  ({                                                                                                                   \
    reason_set_details(__VA_ARGS__);                                                                                   \
    false;                                                                                                             \
  })
#define reason_set_errno(...)                                                                                          \
  ({                                                                                                                   \
    reason_set_errno(__VA_ARGS__);                                                                                     \
    false;                                                                                                             \
  })

/* The details attached to ERROR; borrowed, NULL when there are none or the domain is another. */
json_t *reason_details(const GError *error);

/* The Reason of ERROR: its code when it is a LAUNCHER_ERROR, else REASON_INTERNAL. */
Reason reason_of(const GError *error);

/* True when ERROR is a LAUNCHER_ERROR with this reason. NULL-safe. */
bool reason_is(const GError *error, Reason reason);
