#include "clusterd/node/images/registry_challenge.h"

#include <string.h>

#define SEPARATORS " \t,"

static const char *skip(const char *at, const char *characters)
{
  return at + strspn(at, characters);
}

static char *take_token(const char **at)
{
  size_t length = strcspn(*at, SEPARATORS "=\"");
  char *token = g_strndup(*at, length);
  *at += length;
  return token;
}

/* "…" with \ before what is meant literally; an end that is missing is the text's. */
static char *take_quoted(const char **at)
{
  GString *text = g_string_new(NULL);
  const char *p = *at + 1;
  for (; *p && *p != '"'; p++) {
    if (*p == '\\' && p[1])
      p++;
    g_string_append_c(text, *p);
  }
  *at = *p ? p + 1 : p;
  return g_string_free(text, FALSE);
}

/* The value behind "=", or NULL when there is none: the token before was a scheme. */
static char *take_value(const char **at)
{
  const char *p = skip(*at, " \t");
  if (*p != '=')
    return NULL;
  *at = skip(p + 1, " \t");
  return **at == '"' ? take_quoted(at) : take_token(at);
}

static char **member_of(RegistryChallenge *challenge, const char *name)
{
  const struct {
    const char *name;
    char **member;
  } members[] = { { "realm", &challenge->realm },
                  { "service", &challenge->service },
                  { "scope", &challenge->scope },
                  { "error", &challenge->error } };
  for (size_t i = 0; i < G_N_ELEMENTS(members); i++)
    if (g_ascii_strcasecmp(name, members[i].name) == 0)
      return members[i].member;
  return NULL;
}

void registry_challenge_read(RegistryChallenge *challenge, const char *value)
{
  bool taking = false; /* parameters belong to the first bearer */
  g_autofree char *bounded = g_strndup(value, REGISTRY_CHALLENGE_MAX);
  for (const char *at = skip(bounded, SEPARATORS); *at; at = skip(at, SEPARATORS)) {
    g_autofree char *token = take_token(&at);
    if (!*token) { /* neither scheme nor parameter */
      at++;
      continue;
    }
    g_autofree char *text = take_value(&at);
    char **member = text && taking ? member_of(challenge, token) : NULL;
    if (member && !*member)
      *member = g_steal_pointer(&text);
    if (text || member)
      continue;
    taking = g_ascii_strcasecmp(token, "Bearer") == 0 && !challenge->bearer;
    challenge->bearer = challenge->bearer || taking;
    challenge->basic = challenge->basic || g_ascii_strcasecmp(token, "Basic") == 0;
  }
}

void registry_challenge_clear(RegistryChallenge *challenge)
{
  g_free(challenge->realm);
  g_free(challenge->service);
  g_free(challenge->scope);
  g_free(challenge->error);
  *challenge = (RegistryChallenge){ 0 };
}
