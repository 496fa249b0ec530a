#pragma once
/* Readings of control groups, of version 1 and 2. */
#include "clusterd/node/stats/usage.h"

/* Where the hierarchies are mounted; found once, then constant. */
typedef struct CgroupTree {
  char *root; /* "/sys/fs/cgroup" */
  bool v2;
  char *cpu, *memory, *pids; /* v1: folders of the controllers; NULL: not there */
} CgroupTree;

/* What is mounted at ROOT. */
void cgroup_tree_find(CgroupTree *tree, const char *root);
void cgroup_tree_clear(CgroupTree *tree);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CgroupTree, cgroup_tree_clear)

/* Reads the group at PATH ("/kubepods/podUID/ID", "/" for the root). False when there is no such group. Thread-safe. */
bool cgroup_read(const CgroupTree *tree, const char *path, ResourceUsage *usage);
