/* What a container mounts: volumes, and block devices. */
#include "clusterd/api/strategies/strategy_mount.h"

#include <string.h>

#include "base/json.h"
#include "clusterd/api/validation.h"

static const json_t *volume_named(const json_t *volumes, const char *name)
{
  return *name ? json_find(volumes, "name", name) : NULL;
}

static const json_t *find_member(const json_t *list, const char *member, const char *wanted)
{
  size_t index;
  json_t *item;
  json_array_foreach ((json_t *)(uintptr_t)list, index, item) {
    if (*wanted && strcmp(json_str(item, member, ""), wanted) == 0)
      return item;
  }
  return NULL;
}

/* Upstream reports what is wrong inside a mount on the list, not on the item. */
static void check_mount_options(const json_t *container, const json_t *mount, const char *list_path,
                                FieldErrors *errors)
{
  const char *propagation = json_str(mount, "mountPropagation", ""),
             *recursive = json_str(mount, "recursiveReadOnly", "");
  g_autofree char *sub_path = field_path_child(list_path, "subPath");
  g_autofree char *expression_path = field_path_child(list_path, "subPathExpr");
  api_validate_format("descendingPath", json_object_get(mount, "subPath"), sub_path, errors);
  api_validate_format("descendingPath", json_object_get(mount, "subPathExpr"), expression_path, errors);
  if (strcmp(propagation, "Bidirectional") == 0 &&
      !json_flag(json_object_get(container, "securityContext"), "privileged", false))
    field_errors_add_at(errors, FIELD_FORBIDDEN, list_path, "mountPropagation", NULL,
                        "Bidirectional mount propagation is available only to privileged containers");
  if (strcmp(recursive, "Enabled") != 0 && strcmp(recursive, "IfPossible") != 0)
    return;
  if (!json_flag(mount, "readOnly", false))
    field_errors_add_at(errors, FIELD_FORBIDDEN, list_path, "recursiveReadOnly", NULL,
                        "may only be specified when readOnly is true");
  if (*propagation && strcmp(propagation, "None") != 0)
    field_errors_add_at(errors, FIELD_FORBIDDEN, list_path, "recursiveReadOnly", NULL,
                        "may only be specified when mountPropagation is None or not specified");
}

static void check_mount(const json_t *container, const json_t *volumes, size_t index, const char *list_path,
                        FieldErrors *errors)
{
  const json_t *mount = json_array_get(json_object_get(container, "volumeMounts"), index);
  const json_t *devices = json_object_get(container, "volumeDevices"), *volume;
  const json_t *name = json_object_get(mount, "name"), *target = json_object_get(mount, "mountPath");
  const json_t *sub_path = json_object_get(mount, "subPath"), *expression = json_object_get(mount, "subPathExpr");
  g_autofree char *path = field_path_index(list_path, index);
  g_autoptr(json_t) no_name = json_string("");
  volume = volume_named(volumes, json_str(mount, "name", ""));
  if (!volume)
    field_errors_add_at(errors, FIELD_NOT_FOUND, path, "name", name ? name : no_name, NULL);
  for (size_t i = 0; i < index; i++) {
    const json_t *other = json_array_get(json_object_get(container, "volumeMounts"), i);
    if (json_equal(json_object_get(other, "mountPath"), target))
      field_errors_add_at(errors, FIELD_INVALID, path, "mountPath", target, "must be unique");
  }
  if (find_member(devices, "name", json_str(mount, "name", "")))
    field_errors_add_at(errors, FIELD_INVALID, path, "name", name, "must not already exist in volumeDevices");
  if (find_member(devices, "devicePath", json_str(mount, "mountPath", "")))
    field_errors_add_at(errors, FIELD_INVALID, path, "mountPath", target,
                        "must not already exist as a path in volumeDevices");
  if (json_object_get(volume, "image") && sub_path)
    field_errors_add_at(errors, FIELD_INVALID, path, "subPath", sub_path, "not allowed in image volume sources");
  if (json_object_get(volume, "image") && expression)
    field_errors_add_at(errors, FIELD_INVALID, path, "subPathExpr", expression, "not allowed in image volume sources");
  if (sub_path && expression)
    field_errors_add_at(errors, FIELD_INVALID, path, "subPathExpr", expression,
                        "subPathExpr and subPath are mutually exclusive");
  check_mount_options(container, mount, list_path, errors);
}

static void check_device(const json_t *container, const json_t *volumes, size_t index, const char *list_path,
                         FieldErrors *errors)
{
  const json_t *devices = json_object_get(container, "volumeDevices"), *device = json_array_get(devices, index);
  const json_t *mounts = json_object_get(container, "volumeMounts");
  const json_t *name = json_object_get(device, "name"), *target = json_object_get(device, "devicePath");
  const char *name_text = json_str(device, "name", ""), *target_text = json_str(device, "devicePath", "");
  const json_t *volume = volume_named(volumes, name_text);
  g_autofree char *path = field_path_index(list_path, index);
  g_autoptr(json_t) no_name = json_string("");
  for (size_t i = 0; i < index; i++) {
    const json_t *other = json_array_get(devices, i);
    if (*name_text && json_equal(json_object_get(other, "name"), name))
      field_errors_add_at(errors, FIELD_INVALID, path, "name", name, "must be unique");
    if (*target_text && json_equal(json_object_get(other, "devicePath"), target))
      field_errors_add_at(errors, FIELD_INVALID, path, "devicePath", target, "must be unique");
  }
  if (!volume)
    field_errors_add_at(errors, FIELD_NOT_FOUND, path, "name", name ? name : no_name, NULL);
  else if (!json_object_get(volume, "persistentVolumeClaim") && !json_object_get(volume, "ephemeral"))
    field_errors_add_at(errors, FIELD_INVALID, path, "name", name,
                        "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode");
  g_auto(GStrv) steps = g_strsplit(target_text, "/", -1);
  if (g_strv_contains((const char *const *)steps, ".."))
    field_errors_add_at(errors, FIELD_INVALID, path, "devicePath", target, "can not contain backsteps ('..')");
  if (find_member(mounts, "name", name_text))
    field_errors_add_at(errors, FIELD_INVALID, path, "name", name, "must not already exist in volumeMounts");
  if (find_member(mounts, "mountPath", target_text))
    field_errors_add_at(errors, FIELD_INVALID, path, "devicePath", target,
                        "must not already exist as a path in volumeMounts");
}

void mount_check_container(const json_t *container, const json_t *volumes, const char *path, FieldErrors *errors)
{
  g_autofree char *mounts_path = field_path_child(path, "volumeMounts");
  g_autofree char *devices_path = field_path_child(path, "volumeDevices");
  for (size_t i = 0; i < json_array_size(json_object_get(container, "volumeMounts")); i++)
    check_mount(container, volumes, i, mounts_path, errors);
  for (size_t i = 0; i < json_array_size(json_object_get(container, "volumeDevices")); i++)
    check_device(container, volumes, i, devices_path, errors);
}
