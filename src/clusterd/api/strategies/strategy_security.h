#pragma once
/* Security contexts. */
#include <jansson.h>

#include "clusterd/api/field_errors.h"

/* What the pod's spec at PATH shares with its node, and its kernel parameters. */
void security_check_pod(const json_t *spec, const char *path, FieldErrors *errors);

/* strategy_windows.c: containers that are processes of the host, and what the pod's system does not know. */
void windows_check_host_processes(const json_t *spec, const char *path, FieldErrors *errors);
void windows_check_system(const json_t *spec, const char *path, FieldErrors *errors);
