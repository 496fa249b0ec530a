/* Selectors from query text: whatever is parsed can be printed, and prints the same when it is parsed again. */
#include <glib.h>

#include "base/json.h"
#include "clusterd/api/selector/selector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_labels(const char *text, const json_t *labels)
{
  g_autoptr(LabelSelector) selector = label_selector_parse(text, NULL);
  if (!selector)
    return;
  g_autofree char *canonical = label_selector_text(selector);
  g_autoptr(GError) error = NULL;
  g_autoptr(LabelSelector) again = label_selector_parse(canonical, &error);
  g_assert_no_error(error);
  g_autofree char *twice = label_selector_text(again);
  g_assert_cmpstr(canonical, ==, twice);
  g_assert_true(label_selector_matches(selector, labels) == label_selector_matches(again, labels));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static const ApiSelectableField fields[] = { { "spec.nodeName", "none", NULL } };
  static const ApiKind kind = { .kind = "Pod", .selectable = fields, .n_selectable = 1 };
  g_autofree char *text = g_strndup((const char *)data, size);
  g_autoptr(json_t) labels = json_pack("{s:s, s:s, s:s}", "a", "b", "n", "5", "in", "");
  try_labels(text, labels);
  g_autoptr(FieldSelector) selector = field_selector_parse(&kind, text, NULL);
  if (selector) {
    field_selector_matches(selector, labels);
    field_selector_single_name(selector);
  }
  return 0;
}
