#pragma once
/* Defaults and validation of whole objects, driven by the tables, with upstream's texts. */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "clusterd/api/field_errors.h"
#include "clusterd/api/kind.h"

/* Fills every absent member that has a default, at every depth, then the messages' set_defaults. In place, idempotent.
 */
void api_set_defaults(const ApiMessage *message, json_t *value);

/* Checks metadata (name by the kind's rule, namespace, labels, annotations, owner references, finalizers) and, by the
 * tables and hooks, the rest. OLD is NULL on create. All errors are collected. False with REASON_INVALID. */
bool api_validate(const ApiKind *kind, const json_t *value, const json_t *old, const ApiWriteContext *context,
                  GError **error);

/* Named string rules, as ApiField.format names them: "dns1123label", "dns1123subdomain", "dns1035label",
 * "qualifiedName", "labelValue", "portName", "envVarName", "absolutePath", "ip", "cidr", "imageReference",
 * "configMapKey", "noBacksteps", "descendingPath", "localPath"; of numbers: "fileMode", "weight". Adds upstream's text
 * to ERRORS. */
void api_validate_format(const char *format, const json_t *value, const char *path, FieldErrors *errors);

/* Upstream's texts of the rules dns1123subdomain, dns1123label and dns1035label. */
extern const char api_subdomain_text[], api_label_text[], api_label_1035_text[];

/* True when TEXT is an IP address; when the range INNER lies within OUTER and is smaller. */
bool api_is_ip(const char *text);
bool api_is_strict_subnet(const char *inner, const char *outer);

/* True when TEXT is a DNS label or subdomain (RFC 1123) of legal length. */
bool api_is_dns_label(const char *text);
bool api_is_dns_subdomain(const char *text);
