#include "clusterd/server/server_config.h"

#define MEMBER(name) G_STRUCT_OFFSET(ApiServerConfig, name)

static const gsize texts[] = {
  MEMBER(listen_address),
  MEMBER(ca_file),
  MEMBER(cert_file),
  MEMBER(key_file),
  MEMBER(token_file),
  MEMBER(service_account_key_file),
  MEMBER(jwks_uri),
  MEMBER(service_ip),
  MEMBER(service_cidr),
  MEMBER(advertise_address),
  MEMBER(proxy_client_cert_file),
  MEMBER(proxy_client_key_file),
  MEMBER(front_proxy_ca_file),
  MEMBER(default_storage_provisioner),
};

static const gsize lists[] = {
  MEMBER(authorization_modes),     MEMBER(service_account_verify_files),
  MEMBER(service_account_issuers), MEMBER(api_audiences),
  MEMBER(enabled_plugins),         MEMBER(disabled_plugins),
};

void api_server_config_copy(ApiServerConfig *copy, const ApiServerConfig *config)
{
  *copy = *config;
  for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
    G_STRUCT_MEMBER(char *, copy, texts[i]) = g_strdup(G_STRUCT_MEMBER(char *, copy, texts[i]));
  for (gsize i = 0; i < G_N_ELEMENTS(lists); i++)
    G_STRUCT_MEMBER(char **, copy, lists[i]) = g_strdupv(G_STRUCT_MEMBER(char **, copy, lists[i]));
}

void api_server_config_clear(ApiServerConfig *config)
{
  for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
    g_free(G_STRUCT_MEMBER(char *, config, texts[i]));
  for (gsize i = 0; i < G_N_ELEMENTS(lists); i++)
    g_strfreev(G_STRUCT_MEMBER(char **, config, lists[i]));
}
