/* Which addresses pods get. */
#include <glib.h>
#include <glib/gstdio.h>

#include "base/reason.h"
#include "clusterd/node/sandbox/address_pool.h"

static char *state_path;

static AddressPool *open_pool(const char *ranges)
{
  g_autoptr(GError) error = NULL;
  AddressPool *pool = address_pool_new(ranges, state_path, &error);
  g_assert_no_error(error);
  return pool;
}

/* The addresses NUMBER stands for: "10.0.0.2 fd00::2". */
static char *addresses_text(const AddressPool *pool, uint32_t number)
{
  PodAddresses addresses;
  GString *text = g_string_new(NULL);
  address_pool_addresses(pool, number, &addresses);
  for (unsigned i = 0; i < addresses.count; i++) {
    g_autofree char *one = ip_address_text(&addresses.of[i]);
    g_string_append_printf(text, "%s%s", i > 0 ? " " : "", one);
  }
  return g_string_free(text, FALSE);
}

static void assert_takes(AddressPool *pool, const char *expected)
{
  g_autoptr(GError) error = NULL;
  uint32_t number = address_pool_take(pool, &error);
  g_assert_no_error(error);
  g_autofree char *text = addresses_text(pool, number);
  g_assert_cmpstr(text, ==, expected);
}

static void test_order(void)
{
  g_unlink(state_path);
  g_autoptr(AddressPool) pool = open_pool("10.0.0.0/29");
  g_autoptr(GError) error = NULL;
  static const char *const all[] = { "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6" };
  for (gsize i = 0; i < G_N_ELEMENTS(all); i++)
    assert_takes(pool, all[i]);
  g_assert_cmpuint(address_pool_take(pool, &error), ==, 0);
  g_assert_true(reason_is(error, REASON_RUNTIME));
  address_pool_release(pool, address_pool_number(pool, "10.0.0.4"));
  assert_takes(pool, "10.0.0.4");
}

/* What was given back is the last to be given again, after a restart, too. */
static void test_restart(void)
{
  g_unlink(state_path);
  AddressPool *pool = open_pool("10.0.0.0/24");
  assert_takes(pool, "10.0.0.2");
  address_pool_release(pool, 2);
  assert_takes(pool, "10.0.0.3");
  address_pool_free(pool);
  pool = open_pool("10.0.0.0/24");
  address_pool_mark(pool, address_pool_number(pool, "10.0.0.4"));
  assert_takes(pool, "10.0.0.5");
  address_pool_free(pool);
}

static void test_both(void)
{
  g_unlink(state_path);
  g_autoptr(AddressPool) pool = open_pool("10.0.0.0/24,fd00:10::/64");
  PodAddresses gateways;
  const IpRange *ranges;
  assert_takes(pool, "10.0.0.2 fd00:10::2");
  assert_takes(pool, "10.0.0.3 fd00:10::3");
  g_assert_cmpuint(address_pool_number(pool, "fd00:10::3"), ==, 3);
  g_assert_cmpuint(address_pool_number(pool, "fd00:10::1:3"), ==, 0);
  g_assert_cmpuint(address_pool_number(pool, "10.0.0.1"), ==, 0);
  g_assert_cmpuint(address_pool_number(pool, "10.0.0.255"), ==, 0);
  g_assert_cmpuint(address_pool_number(pool, NULL), ==, 0);
  g_assert_cmpuint(address_pool_ranges(pool, &ranges), ==, 2);
  address_pool_gateways(pool, &gateways);
  g_autofree char *gateway = ip_address_text(&gateways.of[1]);
  g_assert_cmpstr(gateway, ==, "fd00:10::1");
}

static void test_refused(void)
{
  static const char *const rows[] = {
    "",        "10.0.0.0/31", "10.0.0.0/15", "fd00::/127", "fd00::/4", "10.0.0.0/24,10.1.0.0/24", "10.0.0.0/24,fd00::1",
    "10.0.0.0"
  };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(GError) error = NULL;
    g_test_message("%s", rows[i]);
    g_assert_null(address_pool_new(rows[i], state_path, &error));
    g_assert_true(reason_is(error, REASON_CONFIG));
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_autofree char *folder = g_dir_make_tmp("address-pool-XXXXXX", NULL);
  state_path = g_build_filename(folder, "address", NULL);
  g_test_add_func("/address-pool/order", test_order);
  g_test_add_func("/address-pool/restart", test_restart);
  g_test_add_func("/address-pool/both", test_both);
  g_test_add_func("/address-pool/refused", test_refused);
  int status = g_test_run();
  g_unlink(state_path);
  g_rmdir(folder);
  g_free(state_path);
  return status;
}
