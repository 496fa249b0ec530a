#pragma once
/*
 * A CNI plugin, versions 0.3.0 to 1.0.0: joins a network namespace to the pods' network of this node, as the native
 * runtime does it. Started by a container runtime, with the request in the environment and the configuration on its
 * standard input. What addresses are in use is a folder of files, one for each sandbox: it is on a tmpfs, like the
 * namespaces that have them. Source: github.com/containernetworking/cni/blob/spec-v1.0.0/SPEC.md.
 */
#include <stdbool.h>

/* The names this program is started under (the end of argv[0]) to be a plugin: main() must then call
 * cni_plugin_main() at once. */
#define CNI_PODS "launcher-pods"
#define CNI_LOOPBACK "loopback"

/* Whether PROGRAM, an argv[0], is one of them. */
bool cni_plugin_named(const char *program);

/* Does what is asked for. Returns the exit status. */
int cni_plugin_main(const char *program);
