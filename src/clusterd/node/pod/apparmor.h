#pragma once
/* AppArmor: no node of ours confines containers by it, wherever it runs, so a pod that wants that must not run
 * unconfined. Source: Kubernetes "Restrict a Container's Access to Resources with AppArmor". */
#include <jansson.h>
#include <stdbool.h>

#define APPARMOR_REASON "AppArmor"
#define APPARMOR_MESSAGE "Cannot enforce AppArmor: AppArmor is not enabled on the host"

/* True when a container of POD is to be confined by a profile. */
bool apparmor_is_wanted(const json_t *pod);
