#include "base/reason.h"

#include <stdarg.h>

static const ReasonInfo catalogue[REASON_MAX] = {
#define X(name, id, exit_code, http, kube, advice) [REASON_##name] = { id, exit_code, http, kube, advice },
  REASON_CATALOGUE(X)
#undef X
};

#ifndef __clang__
/* GLib finds the private part before the error by arithmetic that gcc's analyzer cannot follow */
#pragma GCC diagnostic ignored "-Wanalyzer-null-dereference"
#endif

typedef struct LauncherErrorPrivate {
  json_t *details;
} LauncherErrorPrivate;

static void launcher_error_private_init(LauncherErrorPrivate *priv)
{
  priv->details = NULL;
}

static void launcher_error_private_copy(const LauncherErrorPrivate *source, LauncherErrorPrivate *target)
{
  target->details = json_incref(source->details);
}

static void launcher_error_private_clear(LauncherErrorPrivate *priv)
{
  json_decref(priv->details);
  priv->details = NULL;
}

static LauncherErrorPrivate *launcher_error_get_private(const GError *error);

/* GLib's own macro casts const away */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual"
G_DEFINE_EXTENDED_ERROR(LauncherError, launcher_error)
#pragma GCC diagnostic pop

const ReasonInfo *reason_info(int reason)
{
  return &catalogue[reason >= 0 && reason < REASON_MAX ? reason : REASON_INTERNAL];
}

static bool set_va(GError **error, Reason reason, json_t *details, const char *suffix, const char *format, va_list args)
{
  if (!error) {
    json_decref(details);
    return false;
  }
  g_autofree char *text = g_strdup_vprintf(format, args);
  GError *made = g_error_new(LAUNCHER_ERROR, (int)reason, "%s%s%s", text, suffix ? ": " : "", suffix ? suffix : "");
  launcher_error_get_private(made)->details = details;
  g_propagate_error(error, made);
  return false;
}

bool (reason_set)(GError **error, Reason reason, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  set_va(error, reason, NULL, NULL, format, args);
  va_end(args);
  return false;
}

bool (reason_set_details)(GError **error, Reason reason, json_t *details, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  set_va(error, reason, details, NULL, format, args);
  va_end(args);
  return false;
}

bool (reason_set_errno)(GError **error, Reason reason, int errno_value, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  set_va(error, reason, NULL, g_strerror(errno_value), format, args);
  va_end(args);
  return false;
}

json_t *reason_details(const GError *error)
{
  return error && error->domain == LAUNCHER_ERROR ? launcher_error_get_private(error)->details : NULL;
}

Reason reason_of(const GError *error)
{
  return error && error->domain == LAUNCHER_ERROR && error->code >= 0 && error->code < REASON_MAX ? (Reason)error->code
                                                                                                  : REASON_INTERNAL;
}

bool reason_is(const GError *error, Reason reason)
{
  return error && error->domain == LAUNCHER_ERROR && error->code == (int)reason;
}
