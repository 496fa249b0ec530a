/* ImageLocality: nodes that have the pod's images already are better, the larger the images and the more nodes have
 * them. */
#include <string.h>

#include "base/json.h"
#include "clusterd/scheduler/plugins/plugin.h"

#define LEAST ((int64_t)23 << 20)                /* bytes that are not worth a thought */
#define MOST_PER_CONTAINER ((int64_t)1000 << 20) /* bytes beyond which nothing is gained */

/* As nodes name images: with a tag. The caller frees. */
static char *normal_name(const char *image)
{
  const char *slash = strrchr(image, '/'), *rest = slash ? slash : image;
  return strchr(rest, ':') || strchr(rest, '@') ? g_strdup(image) : g_strconcat(image, ":latest", NULL);
}

/* Names of the official registry come in a short and a long form. */
static const int64_t *size_on(const NodeInfo *node, const char *name)
{
  static const char *const prefixes[] = { "docker.io/library/", "docker.io/" };
  const int64_t *size = g_hash_table_lookup(node->images, name);
  for (size_t i = 0; !size && i < G_N_ELEMENTS(prefixes); i++) {
    g_autofree char *full = g_strconcat(prefixes[i], name, NULL);
    size = g_hash_table_lookup(node->images, full);
  }
  return size;
}

static void add_images(const Cycle *cycle, const NodeInfo *node, const char *list, int64_t *sum, int64_t *n)
{
  size_t i;
  json_t *container;
  json_array_foreach (json_object_get(pod_info_spec(cycle->pod), list), i, container) {
    ++*n;
    g_autofree char *name = normal_name(json_str(container, "image", ""));
    const int64_t *size = size_on(node, name);
    if (!size)
      continue;
    int64_t having = GPOINTER_TO_INT(g_hash_table_lookup(cycle->state->images, name));
    *sum += (int64_t)((double)*size * (double)MAX(having, 1) / (double)MAX(cycle->state->present->len, 1));
  }
}

static int64_t rate_images(Cycle *cycle, const NodeInfo *node)
{
  int64_t sum = 0, n = 0;
  add_images(cycle, node, "initContainers", &sum, &n);
  add_images(cycle, node, "containers", &sum, &n);
  int64_t most = MOST_PER_CONTAINER * MAX(n, 1);
  return SCORE_MAX * (CLAMP(sum, LEAST, most) - LEAST) / (most - LEAST);
}

static bool prepare_images(Cycle *cycle, GPtrArray *nodes)
{
  return g_hash_table_size(cycle->state->images) > 0;
}

const Plugin image_locality_plugin = { .pre_score = prepare_images, .score = rate_images };
