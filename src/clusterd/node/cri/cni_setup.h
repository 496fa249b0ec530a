#pragma once
/* The pods' network as a container runtime sees it: a configuration, and a folder of CNI plugins that are this program
 * under other names. */
#include <glib.h>
#include <stdbool.h>

/* Where the runtime's own configuration must tell it to look, below RUN_DIR (/run/launcher). */
#define CNI_CONFIG_FOLDER "cni/net.d"
#define CNI_PROGRAM_FOLDER "cni/bin"

/* Makes the bridge, the plugins and the configuration. DATA_DIR keeps where to go on giving addresses. REASON_FILE,
 * REASON_RUNTIME, REASON_CONFIG. */
bool cni_setup(const char *run_dir, const char *data_dir, const char *pod_cidr, const char *bridge, GError **error);
