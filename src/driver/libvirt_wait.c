#include "driver/libvirt_wait.h"

#include "driver/libvirt_connect.h"

enum { ASK_AGAIN_MS = 3000 };

/* Outlives the call that waits: libvirt's event thread may still be in on_lifecycle() when the wait ends. */
typedef struct Wait {
  grefcount references;
  GMutex lock; /* guards down */
  GCond changed;
  bool down;
} Wait;

static void wait_unref(void *data)
{
  Wait *wait = data;
  if (!g_ref_count_dec(&wait->references))
    return;
  g_mutex_clear(&wait->lock);
  g_cond_clear(&wait->changed);
  g_free(wait);
}

static void *run_events(void *data)
{
  for (;;)
    if (virEventRunDefaultImpl() < 0)
      g_usleep(100 * 1000); /* it logged why; do not spin */
  return NULL;
}

static void *register_events(void *data)
{
  if (virEventRegisterDefaultImpl() < 0)
    return NULL;
  GThread *thread = g_thread_new("libvirt-events", run_events, NULL);
  g_thread_unref(thread);
  return GINT_TO_POINTER(1);
}

bool libvirt_events_start(GError **error)
{
  static GOnce once = G_ONCE_INIT;
  if (g_once(&once, register_events, NULL))
    return true;
  return reason_set(error, REASON_DRIVER, "Cannot run libvirt's event loop");
}

static void on_lifecycle(virConnectPtr connection, virDomainPtr domain, int event, int detail, void *data)
{
  Wait *wait = data;
  if (event != VIR_DOMAIN_EVENT_STOPPED && event != VIR_DOMAIN_EVENT_UNDEFINED)
    return;
  g_mutex_lock(&wait->lock);
  wait->down = true;
  g_cond_signal(&wait->changed);
  g_mutex_unlock(&wait->lock);
}

static bool wait_until(Wait *wait, int timeout_ms)
{
  gint64 end = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
  g_mutex_lock(&wait->lock);
  while (!wait->down)
    if (!g_cond_wait_until(&wait->changed, &wait->lock, end))
      break;
  bool down = wait->down;
  g_mutex_unlock(&wait->lock);
  return down;
}

bool libvirt_wait_down(virConnectPtr connection, virDomainPtr domain, int (*begin)(virDomainPtr domain), int timeout_ms,
                       bool *down, GError **error)
{
  *down = false;
  Wait *wait = g_new0(Wait, 1);
  g_ref_count_init(&wait->references);
  g_mutex_init(&wait->lock);
  g_cond_init(&wait->changed);
  g_ref_count_inc(&wait->references); /* the callback's */
  int id = virConnectDomainEventRegisterAny(connection, domain, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                            VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), wait, wait_unref);
  if (id < 0) {
    wait_unref(wait);
    wait_unref(wait);
    return libvirt_fail(error, REASON_DRIVER, "Cannot listen to the machine's events");
  }
  bool began = false;
  /* A guest that is still booting does not hear: ask again now and then. Asking twice is harmless. */
  for (int left = timeout_ms; !*down && (left > 0 || !began); left -= ASK_AGAIN_MS) {
    began = begin(domain) == 0 || began;
    if (!began)
      break;
    *down = wait_until(wait, CLAMP(left, 0, ASK_AGAIN_MS)) || virDomainIsActive(domain) == 0;
  }
  if (!began)
    libvirt_fail(error, REASON_DRIVER, "Cannot ask the machine to power off");
  virConnectDomainEventDeregisterAny(connection, id);
  wait_unref(wait);
  return began;
}
