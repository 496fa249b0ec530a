/* The static tokens' file, and the keys that sign and verify tokens. */
#include <glib/gstdio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/base64url.h"
#include "base/json.h"
#include "base/reason.h"
#include "clusterd/server/access/jose_key.h"
#include "clusterd/server/access/token_file.h"
#include "folder.h"

static TokenFile *read_tokens(const FolderFixture *fixture, const char *text, GError **error)
{
  g_assert_true(g_file_set_contents(fixture->path, text, -1, NULL));
  return token_file_read(fixture->path, error);
}

static void test_tokens(FolderFixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(TokenFile) file = read_tokens(
      fixture, "t1,ann,u1\r\n\nt2 , ben , u2 ,\"g1, g2\"\n\"t,3\",\"c\"\"c\",u3,g3,more\nt1,late,u4", &error);
  g_assert_no_error(error);
  g_autoptr(Identity) late = token_file_find(file, "t1");
  g_autoptr(Identity) ben = token_file_find(file, "t2");
  g_autoptr(Identity) quoted = token_file_find(file, "t,3");
  g_assert_cmpstr(late->name, ==, "late");
  g_assert_cmpstr(ben->name, ==, "ben");
  g_assert_cmpstr(ben->uid, ==, "u2");
  g_autofree char *groups = g_strjoinv("|", ben->groups);
  g_assert_cmpstr(groups, ==, "g1|g2|system:authenticated");
  g_assert_cmpstr(quoted->name, ==, "c\"c");
  g_assert_null(token_file_find(file, "t"));
  g_assert_null(token_file_find(file, ""));
  g_assert_null(token_file_find(NULL, "t1"));
}

static void test_bad_tokens(FolderFixture *fixture, gconstpointer data)
{
  static const char *const texts[] = { "a,b\n", ",ann,u\n", "t,,u\n", "t,\"ann,u\n", "\"" };
  for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_null(read_tokens(fixture, texts[i], &error));
    g_assert_true(reason_is(error, REASON_CONFIG));
  }
}

static void write_key(const FolderFixture *fixture, EVP_PKEY *key)
{
  FILE *stream = g_fopen(fixture->path, "w");
  g_assert_true(PEM_write_PrivateKey(stream, key, NULL, NULL, 0, NULL, NULL) == 1);
  g_assert_true(PEM_write_PUBKEY(stream, key) == 1);
  fclose(stream);
}

static void check_key(const FolderFixture *fixture, EVP_PKEY *made, const char *algorithm, const char *type)
{
  g_autoptr(GError) error = NULL;
  write_key(fixture, made);
  EVP_PKEY_free(made);
  g_autoptr(JoseKey) key = jose_key_read(fixture->path, &error);
  g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func((GDestroyNotify)jose_key_free);
  g_assert_no_error(error);
  g_assert_true(jose_keys_read(keys, fixture->path, &error));
  g_assert_cmpuint(keys->len, ==, 2); /* the private key and the public one */
  g_assert_cmpstr(jose_key_id(keys->pdata[0]), ==, jose_key_id(key));
  g_assert_cmpstr(jose_key_algorithm(key), ==, algorithm);
  g_autoptr(json_t) jwk = jose_key_jwk(key);
  g_assert_cmpstr(json_string_value(json_object_get(jwk, "kty")), ==, type);

  g_autofree char *signature = jose_key_sign(key, "header.claims");
  g_autoptr(GBytes) bytes = base64url_decode(signature);
  const JoseKey *public_key = keys->pdata[1];
  g_assert_true(jose_key_verify(public_key, "header.claims", 13, bytes));
  g_assert_false(jose_key_verify(public_key, "header.claimz", 13, bytes));
  g_autoptr(GBytes) cut = g_bytes_new_from_bytes(bytes, 0, g_bytes_get_size(bytes) - 1);
  g_assert_false(jose_key_verify(public_key, "header.claims", 13, cut));
  g_autoptr(GBytes) empty = g_bytes_new(NULL, 0);
  g_assert_false(jose_key_verify(public_key, "header.claims", 13, empty));
  g_assert_null(jose_key_sign(public_key, "header.claims"));
}

static void test_keys(FolderFixture *fixture, gconstpointer data)
{
  check_key(fixture, EVP_EC_gen("P-256"), "ES256", "EC");
  check_key(fixture, EVP_EC_gen("P-384"), "ES384", "EC");
  check_key(fixture, EVP_EC_gen("P-521"), "ES512", "EC");
  check_key(fixture, EVP_RSA_gen(2048), "RS256", "RSA");
}

static void test_bad_keys(FolderFixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func((GDestroyNotify)jose_key_free);
  EVP_PKEY *other = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
  write_key(fixture, other);
  EVP_PKEY_free(other);
  g_assert_null(jose_key_read(fixture->path, &error));
  g_assert_true(reason_is(error, REASON_CONFIG));
  g_clear_error(&error);
  g_assert_false(jose_keys_read(keys, fixture->path, &error));
  g_assert_true(reason_is(error, REASON_CONFIG));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add("/token-file/read", FolderFixture, NULL, folder_set_up, test_tokens, folder_tear_down);
  g_test_add("/token-file/refused", FolderFixture, NULL, folder_set_up, test_bad_tokens, folder_tear_down);
  g_test_add("/jose-key/algorithms", FolderFixture, NULL, folder_set_up, test_keys, folder_tear_down);
  g_test_add("/jose-key/refused", FolderFixture, NULL, folder_set_up, test_bad_keys, folder_tear_down);
  return g_test_run();
}
