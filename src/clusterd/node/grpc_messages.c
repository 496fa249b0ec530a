/* The generated code of messages, which casts away const in every default of a string. */
#pragma GCC diagnostic ignored "-Wcast-qual"
#include "clusterd/node/cri/containerd.pb-c.c"
#include "clusterd/node/cri/cri.pb-c.c"
#include "clusterd/node/grpc_health.pb-c.c"
