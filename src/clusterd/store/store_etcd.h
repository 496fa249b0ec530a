#pragma once
#include "clusterd/store/store.h"

typedef struct EtcdConfig {
  const char *const *servers;                 /* "https://10.0.0.1:2379", …; NULL-terminated */
  const char *ca_file, *cert_file, *key_file; /* PEM; may be NULL */
  unsigned compaction_seconds;                /* how old history becomes; 0: STORE_HISTORY_SECONDS */
} EtcdConfig;

/* Opens the store in an etcd cluster, which several servers may share. NULL with REASON_CONFIG when CONFIG is wrong, or
 * REASON_SERVICE_UNAVAILABLE when no server answers within ETCD_CALL_SECONDS. */
Store *store_open_etcd(const EtcdConfig *config, GError **error);
