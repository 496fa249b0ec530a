#pragma once
/* What a KubeSchedulerConfiguration (kubescheduler.config.k8s.io/v1) says. */
#include "clusterd/scheduler/profile.h"

#define PROFILES_MAX 32

typedef struct SchedulerConfig {
  GPtrArray *profiles;                       /* SchedulerProfile*, at least one, of different names */
  int64_t backoff_first_us, backoff_most_us; /* of a pod that could not be placed */
} SchedulerConfig;

/* One profile, default-scheduler, with upstream's defaults. The caller frees. */
SchedulerConfig *scheduler_config_new(void);
void scheduler_config_free(SchedulerConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SchedulerConfig, scheduler_config_free)

/* From the value of such a document. NULL with REASON_CONFIG and everything that is wrong with it, a field each. */
SchedulerConfig *scheduler_config_from_json(const json_t *value, GError **error);

/* From a file of YAML or JSON. NULL with REASON_CONFIG or REASON_FILE, naming the file. */
SchedulerConfig *scheduler_config_read(const char *path, GError **error);

/* The profile of pods with SCHEDULER_NAME, or NULL: they are somebody else's. */
const SchedulerProfile *scheduler_config_find(const SchedulerConfig *config, const char *scheduler_name);
