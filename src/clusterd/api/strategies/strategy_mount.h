#pragma once
/* What a container mounts. */
#include <jansson.h>

#include "clusterd/api/field_errors.h"

/* The volumeMounts and volumeDevices of the container at PATH, against the VOLUMES of its pod. */
void mount_check_container(const json_t *container, const json_t *volumes, const char *path, FieldErrors *errors);
