/* Configuration from outside: YAML (kubeconfig, manifests) and cluster.json. What YAML text was read as must be what is
 * read again from what is written. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/yaml.h"
#include "clusterd/cluster_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(const char *text, size_t size)
{
  g_autoptr(json_t) value = yaml_parse(text, size, NULL);
  if (!value)
    return;
  g_autofree char *written = yaml_text(value);
  g_autoptr(json_t) again = yaml_parse(written, strlen(written), NULL);
  if (!again || !json_equal(value, again))
    abort();
}

static void read_cluster(const char *text, size_t size)
{
  file_autofd int fd = memfd_create("cluster.json", MFD_CLOEXEC);
  g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
  g_autoptr(GError) error = NULL;
  if (fd < 0 || write(fd, text, size) != (ssize_t)size)
    return;
  g_autoptr(ClusterConfig) config = cluster_config_read(path, &error);
  if ((config == NULL) != (error != NULL))
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  round_trip((const char *)data, size);
  read_cluster((const char *)data, size);
  return 0;
}
