#include "clusterd/node/cri/cni_setup.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/cri/cni_plugin.h"
#include "clusterd/node/sandbox/address_pool.h"
#include "clusterd/node/sandbox/network.h"

#define CONFIG_NAME "10-launcher.conflist"
#define NETWORK_NAME "launcher"

static bool make_bridge(const char *state_path, const char *pod_cidr, const char *bridge, GError **error)
{
  g_autoptr(AddressPool) pool = address_pool_new(pod_cidr, state_path, error);
  const IpRange *ranges;
  unsigned count = pool ? address_pool_ranges(pool, &ranges) : 0;
  return pool && network_make_bridge(bridge, ranges, count, error);
}

/* The file that runs is the plugin's, too, also when another is put in its place later. */
static bool link_program(const char *folder, const char *name, GError **error)
{
  g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
  g_autofree char *path = g_build_filename(folder, name, NULL);
  unlink(path);
  return (self && symlink(self, path) == 0) || reason_set_errno(error, REASON_FILE, errno, "Cannot make %s", path);
}

bool cni_setup(const char *run_dir, const char *data_dir, const char *pod_cidr, const char *bridge, GError **error)
{
  g_autofree char *programs = g_build_filename(run_dir, CNI_PROGRAM_FOLDER, NULL);
  g_autofree char *configs = g_build_filename(run_dir, CNI_CONFIG_FOLDER, NULL);
  g_autofree char *addresses = g_build_filename(run_dir, "cni/addresses", NULL);
  g_autofree char *state = g_build_filename(data_dir, "address", NULL);
  g_autofree char *path = g_build_filename(configs, CONFIG_NAME, NULL);
  if (!file_make_dirs(data_dir, 0711, error) || !file_make_dirs(programs, 0755, error) ||
      !file_make_dirs(configs, 0755, error) || !file_make_dirs(addresses, 0700, error) ||
      !make_bridge(state, pod_cidr, bridge, error) || !link_program(programs, CNI_PODS, error) ||
      !link_program(programs, CNI_LOOPBACK, error))
    return false;
  g_autoptr(json_t) config =
      json_pack("{s:s, s:s, s:[{s:s, s:s, s:s, s:s}]}", "cniVersion", "0.4.0", "name", NETWORK_NAME, "plugins", "type",
                CNI_PODS, "podCIDR", pod_cidr, "addresses", addresses, "state", state);
  g_autofree char *text = json_text_pretty(config);
  return file_write_atomic(path, text, strlen(text), 0644, error); /* the runtime watches the folder */
}
