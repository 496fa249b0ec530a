#pragma once
/* The resolver's facts from informers. */
#include "clusterd/client/informer.h"
#include "clusterd/dns/resolver.h"

typedef struct FactSource {
  Informer *services, *slices, *namespaces, *config_maps;
} FactSource;

/* Gets the informers and adds the indexes: before informer_set_start. SOURCE must outlive the resolver. */
void fact_source_init(FactSource *source, InformerSet *informers);

DnsFacts fact_source_facts(FactSource *source);
