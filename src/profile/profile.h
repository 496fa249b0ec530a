#pragma once
/*
 * A profile: everything that is decided about one cluster, kept in HOME/profiles/NAME/config.json under minikube's
 * ClusterConfig names. Members this version does not know are kept as they are.
 */
#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "profile/home.h"

#define PROFILE_NAME_MAX 40

typedef struct Profile {
  char *name;
  char *uuid;
  char *driver; /* "libvirt", "container" */
  int64_t cpus;
  int64_t memory_mib, disk_mib;
  char *image_url;          /* where the boot image came from */
  char *image_digest;       /* sha256 hex of the one in use; "" before the first start */
  char *address;            /* 127.77.x.y; "" before the first start */
  char *kubernetes_version; /* "v1.32.0" */
  char *namespace_;         /* of the kubeconfig context */
  char *container_runtime;  /* of runtime_names (base/runtime_name.h) */
  char *dns_domain;
  char *service_cidr;
  char *apiserver_name;
  int64_t apiserver_port; /* on the profile's address */
  int64_t cert_expiration_seconds;
  json_t *apiserver_names; /* arrays of strings: more subject alternative names */
  json_t *apiserver_ips;
  json_t *addons; /* {name: bool} */
  json_t *rest;   /* what else the file holds */
} Profile;

/* A profile with the defaults of `launcher start` and a new uuid. */
Profile *profile_new(const char *name);
void profile_free(Profile *profile);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Profile, profile_free)

/* Names are 2 to PROFILE_NAME_MAX letters, digits and inner dashes, as they become host names. False with REASON_USAGE.
 */
bool profile_check_name(const char *name, GError **error);

/* Reads and checks. NULL with REASON_GUEST_NOT_FOUND (no such profile) or REASON_CONFIG naming the member. */
Profile *profile_load(const Home *home, const char *name, GError **error);

/* Writes config.json atomically, making the folder. */
bool profile_save(const Home *home, const Profile *profile, GError **error);

/* Names of all folders below HOME/profiles, sorted; NULL-terminated; g_strfreev. A name is listed even when its
 * config.json cannot be read. */
char **profile_names(const Home *home);

/* The lock every changing command holds; see file_lock. The folder is made. */
int profile_lock(const Home *home, const char *name, int timeout_ms, GError **error);

/* Removes the profile's folder. The caller holds its lock. */
bool profile_remove(const Home *home, const char *name, GError **error);

/* Gives the profile a loopback address of its own, 127.77.x.y, that no other profile of this home has and on which
 * apiserver_port is free now, and saves the profile, all under one lock of the home. REASON_LOCAL_NETWORK when none is
 * left. */
bool profile_choose_address(const Home *home, Profile *profile, GError **error);
