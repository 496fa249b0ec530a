#pragma once
/* The resolver's facts from informers. */
#include "clusterd/client/informer.h"
#include "clusterd/dns/resolver.h"

typedef struct FactSource {
  Informer *services, *slices, *namespaces, *config_maps, *pods;
  guint64 version; /* atomic */
  /* Called on an informer's thread when a ConfigMap the server reads has changed. May be NULL. */
  void (*config_changed)(void *data);
  void *data;
} FactSource;

/* Gets the informers and adds indexes and handlers: before informer_set_start. SOURCE must outlive the informers'
 * threads and the resolver. CHANGED is called as config_changed is. */
void fact_source_init(FactSource *source, InformerSet *informers, void (*changed)(void *data), void *data);

DnsFacts fact_source_facts(FactSource *source);
