#pragma once
/* What an API server is told at start. */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct ApiServerConfig {
  const char *listen_address; /* "0.0.0.0" */
  uint16_t port;              /* 0: any free one, see api_server_port */
  unsigned n_threads;         /* event loops; 0: one per core */
  const char *ca_file;        /* client certificates are verified against it */
  const char *cert_file, *key_file;
  const char *token_file;                 /* static tokens, see token_file.h; NULL: none */
  bool allow_anonymous;                   /* requests without credentials are system:anonymous */
  const char *const *authorization_modes; /* "RBAC", "AlwaysAllow", "AlwaysDeny", in order; NULL: RBAC */
  const char *const *enabled_plugins, *const *disabled_plugins; /* of admission; NULL: none */
  const char *service_account_key_file;            /* private key (PEM): signs and verifies service account tokens */
  const char *const *service_account_verify_files; /* more keys that verify them; NULL: none */
  const char *const *service_account_issuers;      /* the first issues, all are believed */
  const char *const *api_audiences;                /* whom tokens for this API are meant for; NULL: the issuers */
  const char *jwks_uri; /* where outsiders find the keys; NULL: at this server's own address */
  /* What this server shows to extension API servers, and who signed it; all NULL: made at each start. */
  const char *proxy_client_cert_file, *proxy_client_key_file, *front_proxy_ca_file;
  bool bootstrap_tokens;                   /* Secrets of kube-system may hold tokens of new nodes */
  const char *audit_policy_file;           /* NULL: nothing is audited */
  const char *audit_log_path;              /* "-": standard output; NULL: nothing is audited */
  int64_t audit_log_max_size;              /* MiB */
  int64_t audit_log_max_backups;           /* 0: all */
  const char *service_ip;                  /* cluster IP of the service default/kubernetes */
  const char *service_cidr;                /* "10.96.0.0/12" */
  const char *advertise_address;           /* what its endpoints say */
  int64_t event_ttl_seconds;               /* how long events live; 0: an hour */
  const char *default_storage_provisioner; /* whose the storage class `standard` is; NULL: there is no such class */
} ApiServerConfig;

/* A copy with copies of everything CONFIG points to, and its end. */
void api_server_config_copy(ApiServerConfig *copy, const ApiServerConfig *config);
void api_server_config_clear(ApiServerConfig *config);
