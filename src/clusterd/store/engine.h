#pragma once
/* What an engine of the store implements; store.h says what each operation promises. Every engine's store begins with a
 * Store and its watch with a StoreWatch. */
#include "clusterd/store/store.h"

typedef struct StoreEngine {
  bool shared; /* other processes may write, too */
  void (*close)(Store *store);
  int64_t (*revision)(Store *store);
  bool (*sync)(Store *store, GError **error);                      /* NULL: watches are never behind */
  bool (*check)(Store *store, int64_t timeout_us, GError **error); /* NULL: a read is quick */
  StoreEntry *(*get)(Store *store, const char *key, GError **error);
  GPtrArray *(*list)(Store *store, const char *prefix, int64_t revision, const char *start, unsigned limit, int64_t *at,
                     int64_t *remaining, GError **error);
  bool (*put)(Store *store, const char *key, int64_t expected, GBytes *value, int64_t *revision, GError **error);
  bool (*remove)(Store *store, const char *key, int64_t expected, int64_t *revision, GError **error);
  StoreWatch *(*watch)(Store *store, const char *prefix, int64_t from, StoreHandler handler, void *data,
                       GError **error);
  void (*unwatch)(StoreWatch *watch);
  bool (*compact)(Store *store, int64_t revision, GError **error);
} StoreEngine;

struct Store {
  const StoreEngine *engine;
};

struct StoreWatch {
  Store *store;
  char *prefix;
  StoreHandler handler;
  void *data;
};

/* Errors that both engines give, false or NULL. */
bool store_fail_not_found(const char *key, GError **error);
bool store_fail_exists(const char *key, GError **error);
bool store_fail_conflict(const char *key, int64_t found, int64_t expected, GError **error);
bool store_fail_future(int64_t wanted, int64_t newest, GError **error);
bool store_fail_compacted_list(GError **error);
bool store_fail_compacted_watch(int64_t from, int64_t compacted, GError **error);
