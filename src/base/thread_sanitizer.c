/* Tells ThreadSanitizer what happens inside GLib and jansson, which are built without it. It is part only of what
 * --enable-sanitizers=thread builds: its functions take the place of the libraries', call them, and
 *
 *  - announce GLib's mutexes, which are bare futexes, so that what they order counts as ordered, and two orders of
 * locking that can deadlock are reported;
 *  - announce what queues, pools, once-sections and counted references hand from thread to thread;
 *  - announce that a GLib container or a JSON value is read or changed, so that two threads at one hash table without a
 *    lock are reported although the table's own code is not instrumented.
 *
 * GLib's own small allocations must be malloc's: the tests run with G_SLICE=always-malloc.
 * A GCond needs no order of its own: its waiter leaves and takes the mutex. GThread, GPrivate, GRecMutex and GRWLock
 * are pthreads' own, which the sanitizer knows. */
#include <dlfcn.h>
#include <glib.h>
#include <jansson.h>
#include <pthread.h>
#include <sanitizer/tsan_interface.h>
#include <stdbool.h>

/* Not in the header: the compiler's calls for a plain access of one byte, with the caller's place, and what keeps
 * accesses from being recorded. */
extern void __tsan_read1_pc(void *address, void *place);
extern void __tsan_write1_pc(void *address, void *place);
extern void AnnotateIgnoreWritesBegin(const char *file, int line);
extern void AnnotateIgnoreWritesEnd(const char *file, int line);

#define READS(address) accesses(__tsan_read1_pc, address, __builtin_return_address(0))
#define CHANGES(address) accesses(__tsan_write1_pc, address, __builtin_return_address(0))

static void accesses(void access(void *address, void *place), void *address, void *place)
{
  if (address)
    access(address, place);
}

/* Constructors of other libraries may come before any of ours, so the library's function is looked up at its first use.
 * Two threads that do so at once find the same. */
static void *library_function(const char *name, void **slot)
{
  void *function = __atomic_load_n(slot, __ATOMIC_ACQUIRE);
  if (!function) {
    function = dlsym(RTLD_NEXT, name);
    __atomic_store_n(slot, function, __ATOMIC_RELEASE);
  }
  return function;
}

#define LIBRARY(name)                                                                                                  \
  ({                                                                                                                   \
    static void *slot;                                                                                                 \
    (__typeof__(&(name)))library_function(#name, &slot);                                                               \
  })

/* --- mutexes ----------------------------------------------------------------------------------------------------- */

void g_mutex_init(GMutex *mutex)
{
  __tsan_mutex_create(mutex, 0);
  LIBRARY(g_mutex_init)(mutex);
}

void g_mutex_clear(GMutex *mutex)
{
  LIBRARY(g_mutex_clear)(mutex);
  __tsan_mutex_destroy(mutex, 0);
}

void g_mutex_lock(GMutex *mutex)
{
  __tsan_mutex_pre_lock(mutex, 0);
  LIBRARY(g_mutex_lock)(mutex);
  __tsan_mutex_post_lock(mutex, 0, 0);
}

gboolean g_mutex_trylock(GMutex *mutex)
{
  __tsan_mutex_pre_lock(mutex, __tsan_mutex_try_lock);
  gboolean taken = LIBRARY(g_mutex_trylock)(mutex);
  __tsan_mutex_post_lock(mutex, __tsan_mutex_try_lock | (taken ? 0 : __tsan_mutex_try_lock_failed), 0);
  return taken;
}

void g_mutex_unlock(GMutex *mutex)
{
  __tsan_mutex_pre_unlock(mutex, 0);
  LIBRARY(g_mutex_unlock)(mutex);
  __tsan_mutex_post_unlock(mutex, 0);
}

static void mutex_left(GMutex *mutex)
{
  __tsan_mutex_pre_unlock(mutex, 0);
  __tsan_mutex_post_unlock(mutex, 0);
}

static void mutex_taken(GMutex *mutex)
{
  __tsan_mutex_pre_lock(mutex, 0);
  __tsan_mutex_post_lock(mutex, 0, 0);
}

void g_cond_wait(GCond *cond, GMutex *mutex)
{
  mutex_left(mutex);
  LIBRARY(g_cond_wait)(cond, mutex);
  mutex_taken(mutex);
}

gboolean g_cond_wait_until(GCond *cond, GMutex *mutex, gint64 end)
{
  mutex_left(mutex);
  gboolean signalled = LIBRARY(g_cond_wait_until)(cond, mutex, end);
  mutex_taken(mutex);
  return signalled;
}

/* --- once: the fast path of the macros is an instrumented atomic load of the same place ------------------------------
 */

gboolean(g_once_init_enter)(volatile void *location)
{
  gboolean first = LIBRARY(g_once_init_enter)(location);
  __tsan_acquire((void *)(uintptr_t)location);
  return first;
}

void(g_once_init_leave)(volatile void *location, gsize result)
{
  __tsan_release((void *)(uintptr_t)location);
  LIBRARY(g_once_init_leave)(location, result);
}

gpointer g_once_impl(GOnce *once, GThreadFunc function, gpointer argument)
{
  gpointer result = LIBRARY(g_once_impl)(once, function, argument);
  __tsan_release(once);
  __tsan_acquire(once);
  return result;
}

/* --- queues and pools: what one thread allocates for an item, another frees, both inside GLib, under GLib's own lock.
 * That the allocation is not recorded makes nothing of the release.
 * -------------------------------------------------------------------------------------------- */

void g_async_queue_push(GAsyncQueue *queue, gpointer data)
{
  __tsan_release(queue);
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  LIBRARY(g_async_queue_push)(queue, data);
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
}

static gpointer popped(GAsyncQueue *queue, gpointer data)
{
  if (data)
    __tsan_acquire(queue);
  return data;
}

gpointer g_async_queue_pop(GAsyncQueue *queue)
{
  return popped(queue, LIBRARY(g_async_queue_pop)(queue));
}

gpointer g_async_queue_try_pop(GAsyncQueue *queue)
{
  return popped(queue, LIBRARY(g_async_queue_try_pop)(queue));
}

gpointer g_async_queue_timeout_pop(GAsyncQueue *queue, guint64 timeout)
{
  return popped(queue, LIBRARY(g_async_queue_timeout_pop)(queue, timeout));
}

/* What a pool calls instead of its user's function. */
typedef struct {
  GFunc run;
  gpointer user_data;
  bool one_by_one; /* the pool has one thread: its items are done in order, as their function may expect */
  char ended; /* the place of what an item hands on when it is done: apart from what pushes hand to items, or any two
                 items of which one begins after another's end would count as ordered, and no race would be seen */
} PoolWork;

static void pool_run(gpointer item, gpointer user_data)
{
  PoolWork *work = user_data;
  __tsan_acquire(work);
  if (work->one_by_one)
    __tsan_acquire(&work->ended);
  work->run(item, work->user_data);
  __tsan_release(&work->ended);
}

/* A pool's last thread frees it inside GLib, unseen: a read of it that was seen would look as if it came too late. */
__attribute__((no_sanitize("thread"))) static PoolWork *work_of(const GThreadPool *pool)
{
  return pool->user_data;
}

GThreadPool *g_thread_pool_new(GFunc run, gpointer user_data, gint max_threads, gboolean exclusive, GError **error)
{
  PoolWork *work = g_new(PoolWork, 1);
  *work = (PoolWork){ .run = run, .user_data = user_data, .one_by_one = max_threads == 1 };
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  GThreadPool *pool = LIBRARY(g_thread_pool_new)(pool_run, work, max_threads, exclusive, error);
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
  return pool;
}

gboolean g_thread_pool_push(GThreadPool *pool, gpointer item, GError **error)
{
  __tsan_release(work_of(pool));
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  gboolean pushed = LIBRARY(g_thread_pool_push)(pool, item, error);
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
  return pushed;
}

/* More threads may mean to wake one that waits for a pool: GLib does it by a queue of its own. */
gboolean g_thread_pool_set_max_threads(GThreadPool *pool, gint max_threads, GError **error)
{
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  gboolean set = LIBRARY(g_thread_pool_set_max_threads)(pool, max_threads, error);
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
  return set;
}

void g_thread_pool_free(GThreadPool *pool, gboolean immediate, gboolean wait)
{
  PoolWork *work = work_of(pool);
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  LIBRARY(g_thread_pool_free)(pool, immediate, wait);
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
  if (wait) {
    __tsan_acquire(work);
    __tsan_acquire(&work->ended);
    g_free(work); /* without the wait its threads still need it: then it stays */
  }
}

/* --- counted references: who lets go before the last hands over to the last ------------------------------------------
 */

#define LETS_GO(function, type)                                                                                        \
  void function(type *value)                                                                                           \
  {                                                                                                                    \
    if (value) {                                                                                                       \
      __tsan_release(value);                                                                                           \
      __tsan_acquire(value);                                                                                           \
    }                                                                                                                  \
    LIBRARY(function)(value);                                                                                          \
  }

LETS_GO(g_bytes_unref, GBytes)
LETS_GO(g_hash_table_unref, GHashTable)
LETS_GO(g_ptr_array_unref, GPtrArray)

void g_atomic_rc_box_release_full(gpointer box, GDestroyNotify clear)
{
  __tsan_release(box);
  __tsan_acquire(box);
  LIBRARY(g_atomic_rc_box_release_full)(box, clear);
}

gboolean(g_atomic_ref_count_dec)(gatomicrefcount *count)
{
  __tsan_release((void *)count);
  gboolean last = LIBRARY(g_atomic_ref_count_dec)(count);
  if (last)
    __tsan_acquire((void *)count);
  return last;
}

/* A JSON value lets go of its members inside jansson. json_decref's own count is atomic in instrumented code. */
static void json_lets_go(json_t *json)
{
  const char *key;
  json_t *member;
  size_t i;
  if (!json || __atomic_load_n(&json->refcount, __ATOMIC_RELAXED) == (size_t)-1)
    return;
  void *count = (char *)json + G_STRUCT_OFFSET(json_t, refcount);
  __tsan_acquire(count);
  json_object_foreach (json, key, member)
    json_lets_go(member);
  json_array_foreach (json, i, member)
    json_lets_go(member);
  __tsan_release(count); /* last: the walk above has read it, too */
}

/* One at a time: of two trees that share a member, the first must be through with it before the second, which may free
 * it, takes over what the first has let go. */
void json_delete(json_t *json)
{
  static pthread_mutex_t turn = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
  pthread_mutex_lock(&turn);
  json_lets_go(json);
  LIBRARY(json_delete)(json);
  pthread_mutex_unlock(&turn);
}

/* --- accesses ---------------------------------------------------------------------------------------------------- */

#define ACCESS(access, result, function, place, parameters, arguments)                                                 \
  result function parameters                                                                                           \
  {                                                                                                                    \
    access(place);                                                                                                     \
    return LIBRARY(function) arguments;                                                                                \
  }
#define TABLE_READS(result, function, parameters, arguments)                                                           \
  ACCESS(READS, result, function, table, parameters, arguments)
#define TABLE_CHANGES(result, function, parameters, arguments)                                                         \
  ACCESS(CHANGES, result, function, table, parameters, arguments)

TABLE_READS(gpointer, g_hash_table_lookup, (GHashTable * table, gconstpointer key), (table, key))
TABLE_READS(gboolean, g_hash_table_contains, (GHashTable * table, gconstpointer key), (table, key))
TABLE_READS(guint, g_hash_table_size, (GHashTable * table), (table))
TABLE_READS(void, g_hash_table_iter_init, (GHashTableIter * iter, GHashTable *table), (iter, table))
TABLE_CHANGES(gboolean, g_hash_table_insert, (GHashTable * table, gpointer key, gpointer value), (table, key, value))
TABLE_CHANGES(gboolean, g_hash_table_replace, (GHashTable * table, gpointer key, gpointer value), (table, key, value))
TABLE_CHANGES(gboolean, g_hash_table_add, (GHashTable * table, gpointer key), (table, key))
TABLE_CHANGES(gboolean, g_hash_table_remove, (GHashTable * table, gconstpointer key), (table, key))
TABLE_CHANGES(gboolean, g_hash_table_steal, (GHashTable * table, gconstpointer key), (table, key))
TABLE_CHANGES(void, g_hash_table_remove_all, (GHashTable * table), (table))

/* The readers of these are macros over public members, so instrumented already. */
ACCESS(CHANGES, void, g_ptr_array_add, &array->len, (GPtrArray * array, gpointer item), (array, item))
ACCESS(CHANGES, gboolean, g_ptr_array_remove, &array->len, (GPtrArray * array, gpointer item), (array, item))
ACCESS(CHANGES, gpointer, g_ptr_array_remove_index, &array->len, (GPtrArray * array, guint i), (array, i))
ACCESS(CHANGES, gpointer, g_ptr_array_remove_index_fast, &array->len, (GPtrArray * array, guint i), (array, i))
ACCESS(CHANGES, void, g_queue_push_tail, &queue->length, (GQueue * queue, gpointer item), (queue, item))
ACCESS(CHANGES, gpointer, g_queue_pop_head, &queue->length, (GQueue * queue), (queue))

/* The padding between type and count stands for what a JSON value contains. */
static void *contents(const json_t *json)
{
  G_STATIC_ASSERT(G_STRUCT_OFFSET(json_t, refcount) > sizeof(json_type));
  return json ? (char *)(uintptr_t)json + sizeof(json_type) : NULL;
}

#define JSON_READS(result, function, parameters, arguments)                                                            \
  ACCESS(READS, result, function, contents(json), parameters, arguments)
#define JSON_CHANGES(result, function, parameters, arguments)                                                          \
  ACCESS(CHANGES, result, function, contents(json), parameters, arguments)

JSON_READS(json_t *, json_object_get, (const json_t *json, const char *key), (json, key))
JSON_READS(size_t, json_object_size, (const json_t *json), (json))
JSON_READS(void *, json_object_iter, (json_t * json), (json))
JSON_READS(json_t *, json_array_get, (const json_t *json, size_t i), (json, i))
JSON_READS(size_t, json_array_size, (const json_t *json), (json))
JSON_CHANGES(int, json_object_clear, (json_t * json), (json))
JSON_CHANGES(int, json_object_update, (json_t * json, json_t *other), (json, other))
JSON_CHANGES(int, json_array_append_new, (json_t * json, json_t *value), (json, value))
JSON_CHANGES(int, json_array_insert_new, (json_t * json, size_t i, json_t *value), (json, i, value))
JSON_CHANGES(int, json_array_set_new, (json_t * json, size_t i, json_t *value), (json, i, value))
JSON_CHANGES(int, json_array_remove, (json_t * json, size_t i), (json, i))

int json_object_set_new(json_t *json, const char *key, json_t *value)
{
  CHANGES(contents(json));
  json_lets_go(LIBRARY(json_object_get)(json, key));
  return LIBRARY(json_object_set_new)(json, key, value);
}

int json_object_del(json_t *json, const char *key)
{
  CHANGES(contents(json));
  json_lets_go(LIBRARY(json_object_get)(json, key));
  return LIBRARY(json_object_del)(json, key);
}
