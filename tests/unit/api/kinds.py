#!/usr/bin/env python3
"""Checks the *.kinds files, as TAP. Usage: kinds.py SOURCE-ROOT [REFERENCE]

With the reference (data/api-fields.json, facts of every field of upstream's API) every message and field is compared:
name, number, type, list or map, merge key, patch strategy, list type, map keys, required. Without it that part skips.
"""
import json
import pathlib
import sys

sys.dont_write_bytecode = True
ROOT = pathlib.Path(sys.argv[1])
FACTS = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else "") / "data/api-fields.json"
sys.path.insert(0, str(ROOT / "src/clusterd/api/kinds"))
import generate  # noqa: E402

MACHINERY = "k8s.io.apimachinery.pkg."
SCALARS = {
    MACHINERY + "apis.meta.v1.Time": "time", MACHINERY + "apis.meta.v1.MicroTime": "microtime",
    MACHINERY + "apis.meta.v1.FieldsV1": "fieldsV1", MACHINERY + "api.resource.Quantity": "quantity",
    MACHINERY + "util.intstr.IntOrString": "intOrString", MACHINERY + "runtime.RawExtension": "raw",
    "JSON": "raw", "ExtraValue": "strings", "Time": "time", "FieldsV1": "fieldsV1",
    "JSONSchemaPropsOrArray": "JSONSchemaProps|list", "JSONSchemaPropsOrBool": "JSONSchemaProps|bool",
    "JSONSchemaPropsOrStringArray": "JSONSchemaProps|strings",
}
# Messages that are types of our own (SCALARS), lists (made from their kind), or no part of what a server stores.
NOT_MESSAGES = {
    "core/v1": {"AvoidPods", "List", "PodSignature", "PodStatusResult", "Preconditions", "PreferAvoidPodsEntry",
                "RangeAllocation", "SerializedReference"},
    "apiextensions/v1": {"ConversionRequest", "ConversionResponse", "ConversionReview"},
    "meta/v1": {"APIGroup", "APIGroupList", "APIResource", "APIResourceList", "APIVersions", "ApplyOptions", "Duration",
                "GroupKind", "GroupResource", "GroupVersion", "GroupVersionForDiscovery", "GroupVersionKind",
                "GroupVersionResource", "List", "MicroTime", "PartialObjectMetadataList", "Patch", "RootPaths",
                "ServerAddressByClientCIDR", "TableOptions", "Timestamp", "TypeMeta", "Verbs"},
    # Stored as autoscaling/v2: what v1 cannot say travels in annotations, and is never seen as these.
    "autoscaling/v1": {"ContainerResourceMetricSource", "ContainerResourceMetricStatus", "ExternalMetricSource",
                       "ExternalMetricStatus", "HorizontalPodAutoscalerCondition", "MetricSpec", "MetricStatus",
                       "ObjectMetricSource", "ObjectMetricStatus", "PodsMetricSource", "PodsMetricStatus",
                       "ResourceMetricSource", "ResourceMetricStatus"},
}
# Facts that are newer than version 1.32, or that OpenAPI alone knows.
EXCEPTIONS = {
    ("apiextensions/v1", "CustomResourceDefinitionCondition", "observedGeneration"),
    ("apiextensions/v1", "CustomResourceDefinitionStatus", "observedGeneration"),
}

count = 0


def report(problems, description, skip=""):
    global count
    count += 1
    print(f"{'not ' if problems else ''}ok {count} - {description}{' # SKIP ' + skip if skip else ''}")
    for problem in problems:
        print(f"#   {problem}")


def openapi_name(package):
    """The prefix of OpenAPI names that a protobuf package has."""
    return package.replace("k8s.io.", "io.k8s.", 1).replace("apiextensions_apiserver", "apiextensions-apiserver")


def json_name(package, name):
    """Protobuf's name of a field in JSON."""
    if package == "apiextensions/v1" and name in ("ref", "schema"):
        return {name, "$" + name}
    if name.startswith("xKubernetes"):
        return {"".join("-" + c.lower() if c.isupper() else c for c in name)}
    return {name, name[0].lower() + name[1:], {"uID": "uid", "aPIGroup": "apiGroup"}.get(name, name)}


def expected_facts(fact, name, required, packages):
    element = fact.get("map") or fact["type"]
    element = SCALARS.get(element.lstrip("."), element)
    if element.startswith("k8s.io."):
        prefix, _, short = element.rpartition(".")
        element = packages.get(openapi_name(prefix), prefix) + "." + short
    return {
        "container": "MAP" if "map" in fact else "LIST" if fact.get("list") else None, "type": element,
        "merge key": fact.get("mergeKey"), "patch strategy": fact.get("patchStrategy"),
        "list type": fact.get("listType"), "map keys": fact.get("listMapKeys"), "required": name in required,
    }


def our_facts(field):
    flags, attributes = field.flags, field.attributes
    strategies = [text for text, flag in (("merge", "PATCH_MERGE"), ("retainKeys", "PATCH_RETAIN"),
                                          ("replace", "PATCH_REPLACE"))
                  if flag in flags or (text == "merge" and "merge" in attributes)]
    list_type = ("map" if "keyed" in attributes else "set" if "LIST_SET" in flags
                 else "atomic" if "LIST_ATOMIC" in flags else None)
    return {
        "container": field.container, "type": field.element + ("|" + field.union if field.union else ""),
        "merge key": attributes.get("merge"), "patch strategy": ",".join(strategies) or None, "list type": list_type,
        "map keys": attributes["keyed"].split(",") if "keyed" in attributes else None, "required": "REQUIRED" in flags,
    }


def same(what, ours, theirs, package, message):
    if what == "type":
        return ours == theirs or ours == f"{package}.{theirs}" or f"{package}.{ours}" == theirs
    # A spec that upstream's OpenAPI requires of some kinds only, and what validation asks for in any case.
    if what == "required" and ours != theirs:
        return message in ("ValidatingAdmissionPolicyBinding", "HorizontalPodAutoscaler", "Validation", "Variable")
    return ours == theirs


def compare_message(parser, packages, package, name, fact, problems):
    message = parser.messages.get((package, name))
    if not message:
        if name not in NOT_MESSAGES.get(package, ()) and not name.endswith("List") and name not in SCALARS:
            problems.append(f"{package}.{name}: is not described")
        return 0
    ours = {field.number: field for field in message.fields}
    for field_name, field_fact in fact["fields"].items():
        field, where = ours.pop(field_fact["n"], None), f"{package}.{name}.{field_name}"
        if not field:
            if (package, name, field_name) not in EXCEPTIONS:
                problems.append(f"{where}: is not described")
            continue
        if field.name not in json_name(package, field_name):
            problems.append(f"{where}: is called {field.name}")
        theirs, facts = expected_facts(field_fact, field_name, fact.get("required", []), packages), our_facts(field)
        problems += [f"{where}: {what} is {facts[what]}, not {theirs[what]}" for what in theirs
                     if not same(what, facts[what], theirs[what], package, name)]
    problems += [f"{package}.{name}.{field.name}: upstream has no such field" for field in ours.values()]
    return len(fact["fields"])


def compare(parser):
    packages = {prefix: package for package, prefix in parser.packages.items()}
    problems, compared = [], 0
    for proto_package, messages in json.loads(FACTS.read_text()).items():
        package = packages.get(openapi_name(proto_package))
        if not package or "beta" in package or "alpha" in package:
            continue
        for name, fact in messages.items():
            compared += compare_message(parser, packages, package, name, fact, problems)
    if compared < 1500:
        problems.append(f"only {compared} fields were compared")
    return problems


def messages_of_kinds(parser):
    """The messages of the kinds and their subresources, and all that is in them."""
    found = {}

    def add(message):
        if message and id(message) not in found:
            found[id(message)] = message
            for field in message.fields:
                add(field.message)

    for kind in parser.kinds:
        add(parser.messages.get((kind.package, kind.name)))
        for _, _, speaks in kind.subresources:
            package, _, name = (speaks or "").rpartition(".")
            add(parser.messages.get((package, name)))
    return found.values()


def undescribed(parser):
    problems = []
    for message in messages_of_kinds(parser):
        name = f"{message.package}.{message.name}"
        if not message.description:
            problems.append(name)
        problems += [f"{name}.{field.name}" for field in message.fields
                     if not field.description and "INLINE" not in field.flags]
    return problems


def main():
    parser = generate.Parser()
    files = (ROOT / "src/clusterd/api/kinds").glob("*.kinds")
    for path in sorted(files, key=lambda file: ("beta" in file.name or "alpha" in file.name, file.name)):
        parser.read(path)
    generate.Writer(parser).resolve()
    print("1..2")
    report(undescribed(parser), "everything in objects is described")
    if FACTS.is_file():
        report(compare(parser), "messages and fields are upstream's")
    else:
        report([], "messages and fields are upstream's", "the reference is not here (LAUNCHER_REFERENCE)")


if __name__ == "__main__":
    main()
