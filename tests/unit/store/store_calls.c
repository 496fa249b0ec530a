#include "store_calls.h"

#include <string.h>

int64_t put(Store *store, const char *key, int64_t expected, const char *text)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) value = g_bytes_new(text, strlen(text));
  int64_t revision = -1;
  bool ok = store_put(store, key, expected, value, &revision, &error);
  g_assert_no_error(error);
  g_assert_true(ok);
  return revision;
}

void drop(Store *store, const char *key)
{
  g_autoptr(GError) error = NULL;
  store_delete(store, key, -1, NULL, &error);
  g_assert_no_error(error);
}

Reason put_fails(Store *store, const char *key, int64_t expected)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) value = g_bytes_new("x", 1);
  g_assert_false(store_put(store, key, expected, value, NULL, &error));
  return reason_of(error);
}

char *keys_at(Store *store, const char *prefix, int64_t revision, const char *start, unsigned limit, int64_t *remaining)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) entries = store_list(store, prefix, revision, start, limit, NULL, remaining, &error);
  g_assert_no_error(error);
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < entries->len; i++)
    g_string_append_printf(text, "%s%s", i ? " " : "", ((StoreEntry *)entries->pdata[i])->key);
  return g_string_free(text, FALSE);
}

int64_t check_lists(Store *store)
{
  put(store, "/p/a", 0, "1");
  put(store, "/p/b", 0, "1");
  int64_t snapshot = put(store, "/p/c", 0, "1");
  put(store, "/q/x", 0, "1");
  put(store, "/p/a/more", 0, "1");
  drop(store, "/p/b");
  int64_t remaining = -1;
  g_autofree char *old = keys_at(store, "/p/", snapshot, NULL, 0, &remaining);
  g_assert_cmpstr(old, ==, "/p/a /p/b /p/c");
  g_autofree char *now = keys_at(store, "/p/", 0, NULL, 0, &remaining);
  g_assert_cmpstr(now, ==, "/p/a /p/a/more /p/c");
  g_autofree char *page = keys_at(store, "/p/", snapshot, NULL, 1, &remaining);
  g_assert_cmpstr(page, ==, "/p/a");
  g_assert_cmpint(remaining, ==, 2);
  g_autofree char *rest = keys_at(store, "/p/", snapshot, "/p/a", 2, &remaining);
  g_assert_cmpstr(rest, ==, "/p/b /p/c");
  g_assert_cmpint(remaining, ==, 0);

  g_autoptr(GError) error = NULL;
  g_assert_null(store_list(store, "/p/", 1000, NULL, 0, NULL, NULL, &error));
  g_assert_true(reason_is(error, REASON_TIMEOUT));
  return snapshot;
}
