/* What a registry may answer. The first byte says with what: 'a' the value of a WWW-Authenticate header, 'm' a manifest
 * or an index, 'c' a manifest and, behind a line feed, the image's configuration. */
#include <stdint.h>
#include <string.h>

#include "base/json.h"
#include "base/reason.h"
#include "clusterd/node/images/image_store.h"
#include "clusterd/node/images/layer.h"
#include "clusterd/node/images/registry_challenge.h"
#include "clusterd/node/images/registry_manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_challenge(const char *text)
{
  g_auto(RegistryChallenge) challenge = { 0 };
  registry_challenge_read(&challenge, text);
  registry_challenge_read(&challenge, text); /* a second header */
  g_assert_true(challenge.bearer || (!challenge.realm && !challenge.scope && !challenge.service && !challenge.error));
}

static void read_manifest(const char *text, size_t size, const json_t *config)
{
  g_autoptr(json_t) value = json_parse(text, size, true, NULL);
  g_auto(RegistryManifest) manifest = { 0 };
  g_autoptr(GError) error = NULL;
  if (value && registry_manifest_is_index(value)) {
    const char *digest = registry_manifest_choose(value, "sha256:index", &error);
    g_assert_true((digest == NULL) == (error != NULL));
    return;
  }
  if (!value || !registry_manifest_read(value, &manifest, NULL))
    return;
  g_assert_cmpuint(manifest.layers->len, <=, IMAGE_LAYERS_MAX);
  g_assert_true(manifest.size >= 0 && manifest.size <= LAYER_BYTES_MAX);
  if (config)
    registry_manifest_fits(&manifest, config, "sha256:manifest", &error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size == 0)
    return 0;
  g_autofree char *text = g_strndup((const char *)data + 1, size - 1);
  if (*data == 'a')
    read_challenge(text);
  if (*data == 'm')
    read_manifest(text, strlen(text), NULL);
  char *line = *data == 'c' ? strchr(text, '\n') : NULL;
  g_autoptr(json_t) config = line ? json_parse(line + 1, strlen(line + 1), true, NULL) : NULL;
  if (config)
    read_manifest(text, (size_t)(line - text), config);
  return 0;
}
