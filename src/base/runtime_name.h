#pragma once
/* The names of container runtimes, as --container-runtime of both programs, profiles and cluster.json write them. */
#include <glib.h>

/* "native", "docker", "containerd", "cri-o"; NULL ends them. The first is the default. */
extern const char *const runtime_names[];

/* The name TEXT stands for (minikube's old "crio" is cri-o); NULL when it is none. */
const char *runtime_name_find(const char *text);
