#include "clusterd/node/pod/image_pulls.h"

#include "base/reason.h"
#include "base/timestamp.h"
#include "clusterd/node/pod/back_off.h"

#define PULLS_AT_ONCE 4
#define REFUSED_RETRY_US (10 * (int64_t)G_USEC_PER_SEC)

/* One pull for one container start. */
typedef struct Pull {
  ImagePulls *pulls;
  char *key, *pod_uid, *reference;
  json_t *auth;
  bool running, forgotten;
  ImageStatus *image; /* pulled, not yet handed out */
  GError *error;
  int64_t asked_us, started_us, finished_us; /* monotonic; a pull that was asked for waits for its turn */
  GFunc wake;
  void *wake_data;
} Pull;

/* What is remembered of an image that a pod could not have: for all its containers, also after a success. */
typedef struct Failure {
  char *pod_uid, *message; /* of the newest */
  BackOff back_off;        /* as what follows, by the wall clock */
  int64_t retry_us;
} Failure;

struct ImagePulls {
  Runtime *runtime;
  GThreadPool *pool;
  GMutex lock;          /* guards the tables and their entries */
  GHashTable *table;    /* key → Pull */
  GHashTable *failures; /* "pod uid/reference" → Failure */
};

void image_news_free(ImageNews *news)
{
  g_free(news->message);
  g_free(news);
}

static void tell(GPtrArray *news, const char *type, const char *reason, const char *format, ...) G_GNUC_PRINTF(4, 5);
static void tell(GPtrArray *news, const char *type, const char *reason, const char *format, ...)
{
  va_list args;
  ImageNews *item = g_new(ImageNews, 1);
  va_start(args, format);
  *item = (ImageNews){ type, reason, g_strdup_vprintf(format, args) };
  va_end(args);
  g_ptr_array_add(news, item);
}

static void pull_free(Pull *pull)
{
  g_free(pull->key);
  g_free(pull->pod_uid);
  g_free(pull->reference);
  if (pull->auth)
    json_decref(pull->auth);
  if (pull->image)
    image_status_free(pull->image);
  g_clear_error(&pull->error);
  g_free(pull);
}

static void failure_free(void *data)
{
  Failure *failure = data;
  g_free(failure->pod_uid);
  g_free(failure->message);
  g_free(failure);
}

/* The registry answered, and its answer was no. */
static bool is_refusal(const GError *error)
{
  static const Reason refusals[] = { REASON_RUNTIME_NOT_FOUND, REASON_FORBIDDEN,   REASON_UNAUTHORIZED,
                                     REASON_NOT_FOUND,         REASON_BAD_REQUEST, REASON_DOWNLOAD_NOT_FOUND,
                                     REASON_IMAGE_INVALID };
  for (size_t i = 0; i < G_N_ELEMENTS(refusals); i++)
    if (reason_is(error, refusals[i]))
      return true;
  return false;
}

/* Shows the registry one of AUTHS after the other, as upstream does. */
static ImageStatus *pull_with_any(Runtime *runtime, const char *reference, const json_t *auths, GError **error)
{
  g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GError) failure = NULL;
  size_t count = MAX(json_array_size(auths), 1);
  Reason reason = REASON_RUNTIME;
  for (size_t i = 0; i < count; i++) {
    g_clear_error(&failure);
    ImageStatus *image = runtime->pull_image(runtime, reference, json_array_get(auths, i), &failure);
    if (image)
      return image;
    reason = (Reason)failure->code;
    if (!g_ptr_array_find_with_equal_func(texts, failure->message, g_str_equal, NULL))
      g_ptr_array_add(texts, g_strdup(failure->message));
  }
  g_ptr_array_add(texts, NULL);
  g_autofree char *all = g_strjoinv(", ", (char **)texts->pdata);
  reason_set(error, reason, texts->len > 2 ? "[%s]" : "%s", all);
  return NULL;
}

/* NULL when the pod had no trouble with REFERENCE. */
static Failure *failure_of(ImagePulls *pulls, const char *pod_uid, const char *reference)
{
  g_autofree char *key = g_strdup_printf("%s/%s", pod_uid, reference);
  return g_hash_table_lookup(pulls->failures, key);
}

static void note_failure(ImagePulls *pulls, const Pull *pull)
{
  int64_t now = timestamp_now_us();
  Failure *failure = failure_of(pulls, pull->pod_uid, pull->reference);
  if (!failure) {
    failure = g_new0(Failure, 1);
    failure->pod_uid = g_strdup(pull->pod_uid);
    g_hash_table_insert(pulls->failures, g_strdup_printf("%s/%s", pull->pod_uid, pull->reference), failure);
  }
  g_free(failure->message);
  failure->message = g_strdup(pull->error->message);
  back_off_until(&failure->back_off, now); /* forgets what is long over */
  back_off_grow(&failure->back_off, now);
  failure->retry_us = back_off_until(&failure->back_off, now);
}

static void run_pull(void *item, void *data)
{
  Pull *pull = item;
  ImagePulls *pulls = data;
  Runtime *runtime = pulls->runtime;
  GError *error = NULL;
  g_mutex_lock(&pulls->lock);
  pull->started_us = g_get_monotonic_time();
  g_mutex_unlock(&pulls->lock);
  ImageStatus *image = pull_with_any(runtime, pull->reference, pull->auth, &error);
  if (!image && !is_refusal(error) && !reason_is(error, REASON_INTERRUPTED)) {
    /* No registry to be reached: a copy that is here is better than none. */
    image = runtime->image_status(runtime, pull->reference, NULL);
    if (image) {
      g_message("%s: the registry cannot be reached, its local copy is used: %s", pull->reference, error->message);
      g_clear_error(&error);
    }
  }
  g_mutex_lock(&pulls->lock);
  pull->running = false;
  pull->image = image;
  pull->error = error;
  pull->finished_us = g_get_monotonic_time();
  bool forgotten = pull->forgotten;
  if (!forgotten && error)
    note_failure(pulls, pull);
  if (!forgotten)
    pull->wake(pull->wake_data, NULL);
  g_mutex_unlock(&pulls->lock);
  if (forgotten)
    pull_free(pull);
}

ImagePulls *image_pulls_new(Runtime *runtime)
{
  ImagePulls *pulls = g_new0(ImagePulls, 1);
  pulls->runtime = runtime;
  pulls->pool = g_thread_pool_new(run_pull, pulls, PULLS_AT_ONCE, FALSE, NULL);
  g_mutex_init(&pulls->lock);
  pulls->table = g_hash_table_new(g_str_hash, g_str_equal);
  pulls->failures = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, failure_free);
  return pulls;
}

void image_pulls_free(ImagePulls *pulls)
{
  GHashTableIter iter;
  gpointer pull;
  if (!pulls)
    return;
  g_thread_pool_free(pulls->pool, FALSE, TRUE);
  g_hash_table_iter_init(&iter, pulls->table);
  while (g_hash_table_iter_next(&iter, NULL, &pull))
    pull_free(pull);
  g_hash_table_unref(pulls->table);
  g_hash_table_unref(pulls->failures);
  g_mutex_clear(&pulls->lock);
  g_free(pulls);
}

static void start_pull(ImagePulls *pulls, Pull *pull, const ImageRequest *request, GPtrArray *news)
{
  pull->running = true;
  pull->asked_us = g_get_monotonic_time();
  pull->wake = request->wake;
  pull->wake_data = request->wake_data;
  tell(news, "Normal", "Pulling", "Pulling image \"%s\"", request->reference);
  g_thread_pool_push(pulls->pool, pull, NULL);
}

static char *pull_key(const ImageRequest *request)
{
  return g_strdup_printf("%s/%s/%u", request->pod_uid, request->container, request->attempt);
}

static Pull *pull_of(ImagePulls *pulls, const ImageRequest *request)
{
  g_autofree char *key = pull_key(request);
  Pull *pull = g_hash_table_lookup(pulls->table, key);
  if (pull)
    return pull;
  pull = g_new0(Pull, 1);
  *pull = (Pull){ .pulls = pulls,
                  .key = g_steal_pointer(&key),
                  .pod_uid = g_strdup(request->pod_uid),
                  .reference = g_strdup(request->reference),
                  .auth = request->auth ? json_deep_copy(request->auth) : NULL };
  g_hash_table_insert(pulls->table, pull->key, pull);
  return pull;
}

/* A pull has just ended with an error, which PULL loses. */
static ImageResult fail(Pull *pull, GPtrArray *news, const char **reason, char **message, int64_t *retry_us)
{
  *reason = "ErrImagePull";
  *message = g_strdup(pull->error->message);
  tell(news, "Warning", "Failed", "Failed to pull image \"%s\": %s", pull->reference, pull->error->message);
  tell(news, "Warning", "Failed", "Error: ErrImagePull");
  /* Show ErrImagePull once, then the back-off. */
  *retry_us = timestamp_now_us() + G_USEC_PER_SEC;
  g_clear_error(&pull->error);
  return IMAGE_FAILED;
}

/* It is not tried yet. */
static ImageResult back_off(const char *reference, const Failure *failure, GPtrArray *news, const char **reason,
                            char **message, int64_t *retry_us)
{
  *reason = "ImagePullBackOff";
  *message = g_strdup_printf("Back-off pulling image \"%s\": ErrImagePull: %s", reference, failure->message);
  tell(news, "Normal", "BackOff", "Back-off pulling image \"%s\"", reference);
  tell(news, "Warning", "Failed", "Error: ImagePullBackOff");
  *retry_us = failure->retry_us;
  return IMAGE_FAILED;
}

/* To the millisecond, as upstream cuts it. */
static char *duration_text(int64_t from_us, int64_t to_us)
{
  int64_t duration = MAX(to_us - from_us, 0);
  return timestamp_go_duration(duration - duration % 1000);
}

/* The pod gets it for another of its containers already: that wakes the same worker. */
static bool another_pulls(ImagePulls *pulls, const ImageRequest *request)
{
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, pulls->table);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    const Pull *other = value;
    if (other->running && g_str_equal(other->pod_uid, request->pod_uid) &&
        g_str_equal(other->reference, request->reference))
      return true;
  }
  return false;
}

static ImageResult pull_step(ImagePulls *pulls, const ImageRequest *request, GPtrArray *news, ImageStatus **image,
                             const char **reason, char **message, int64_t *retry_us)
{
  Pull *pull = pull_of(pulls, request);
  if (pull->running)
    return IMAGE_PULLING;
  if (pull->image) {
    g_autofree char *pulling = duration_text(pull->started_us, pull->finished_us);
    g_autofree char *waiting = duration_text(pull->asked_us, pull->finished_us);
    *image = g_steal_pointer(&pull->image);
    tell(news, "Normal", "Pulled",
         "Successfully pulled image \"%s\" in %s (%s including waiting). Image size: %" G_GINT64_FORMAT " bytes.",
         pull->reference, pulling, waiting, (*image)->size_bytes);
    g_hash_table_remove(pulls->table, pull->key);
    pull_free(pull);
    return IMAGE_READY;
  }
  if (pull->error)
    return fail(pull, news, reason, message, retry_us);
  const Failure *failure = failure_of(pulls, request->pod_uid, request->reference);
  if (failure && timestamp_now_us() < failure->retry_us)
    return back_off(request->reference, failure, news, reason, message, retry_us);
  if (another_pulls(pulls, request))
    return IMAGE_PULLING;
  start_pull(pulls, pull, request, news);
  return IMAGE_PULLING;
}

static ImageResult refuse(const char *why, char *text, const char **reason, char **message, int64_t *retry_us)
{
  *reason = why;
  *message = text;
  *retry_us = timestamp_now_us() + REFUSED_RETRY_US;
  return IMAGE_FAILED;
}

/* A pull for this container start runs, or has brought the image. */
static bool is_under_way(ImagePulls *pulls, const ImageRequest *request)
{
  g_autofree char *key = pull_key(request);
  g_mutex_lock(&pulls->lock);
  const Pull *pull = g_hash_table_lookup(pulls->table, key);
  bool under_way = pull && (pull->running || pull->image);
  g_mutex_unlock(&pulls->lock);
  return under_way;
}

static ImageResult pull(ImagePulls *pulls, const ImageRequest *request, GPtrArray *news, ImageStatus **image,
                        const char **reason, char **message, int64_t *retry_us)
{
  g_mutex_lock(&pulls->lock);
  ImageResult result = pull_step(pulls, request, news, image, reason, message, retry_us);
  g_mutex_unlock(&pulls->lock);
  return result;
}

ImageResult image_pulls_ensure(ImagePulls *pulls, const ImageRequest *request, GPtrArray *news, ImageStatus **image,
                               const char **reason, char **message, int64_t *retry_us)
{
  Runtime *runtime = pulls->runtime;
  g_autoptr(GError) error = NULL;
  *retry_us = 0;
  if (is_under_way(pulls, request))
    return pull(pulls, request, news, image, reason, message, retry_us);
  g_autoptr(ImageStatus) here = runtime->image_status(runtime, request->reference, &error);
  if (!here && reason_is(error, REASON_BAD_REQUEST)) {
    tell(news, "Warning", "InspectFailed", "Failed to apply default image tag \"%s\": %s", request->reference,
         error->message);
    tell(news, "Warning", "Failed", "Error: InvalidImageName");
    return refuse("InvalidImageName",
                  g_strdup_printf("Failed to apply default image tag \"%s\": %s", request->reference, error->message),
                  reason, message, retry_us);
  }
  if (here && !g_str_equal(request->policy, "Always")) {
    tell(news, "Normal", "Pulled", "Container image \"%s\" already present on machine", request->reference);
    *image = g_steal_pointer(&here);
    return IMAGE_READY;
  }
  if (!here && g_str_equal(request->policy, "Never")) {
    char *text = g_strdup_printf("Container image \"%s\" is not present with pull policy of Never", request->reference);
    tell(news, "Warning", "ErrImageNeverPull", "%s", text);
    tell(news, "Warning", "Failed", "Error: ErrImageNeverPull");
    return refuse("ErrImageNeverPull", text, reason, message, retry_us);
  }
  return pull(pulls, request, news, image, reason, message, retry_us);
}

void image_pulls_forget(ImagePulls *pulls, const char *pod_uid)
{
  GHashTableIter iter;
  gpointer value;
  g_mutex_lock(&pulls->lock);
  g_hash_table_iter_init(&iter, pulls->table);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    Pull *pull = value;
    if (!g_str_equal(pull->pod_uid, pod_uid))
      continue;
    g_hash_table_iter_remove(&iter);
    if (pull->running)
      pull->forgotten = true;
    else
      pull_free(pull);
  }
  g_hash_table_iter_init(&iter, pulls->failures);
  while (g_hash_table_iter_next(&iter, NULL, &value))
    if (g_str_equal(((Failure *)value)->pod_uid, pod_uid))
      g_hash_table_iter_remove(&iter);
  g_mutex_unlock(&pulls->lock);
}
