#!/usr/bin/env python3
"""Turns the *.kinds files (see kinds.md) into one C source with the constant tables of kind.h.

Usage: generate.py OUTPUT FILE.kinds...
The output depends on nothing but the files' contents and order. Anything the format does not know is an error that names
the file and the line.
"""
import copy
import json
import re
import sys

SCALARS = {
    "string": "API_STRING", "bool": "API_BOOL", "int32": "API_INT32", "int64": "API_INT64", "double": "API_DOUBLE",
    "bytes": "API_BYTES", "time": "API_TIME", "microtime": "API_MICRO_TIME", "quantity": "API_QUANTITY",
    "intOrString": "API_INT_OR_STRING", "raw": "API_RAW", "fieldsV1": "API_FIELDS_V1", "strings": "API_STRINGS",
}
UNIONS = {"bool": "API_OR_BOOL", "list": "API_OR_LIST", "strings": "API_OR_STRINGS"}
FLAGS = {
    "required": "REQUIRED", "pointer": "OPTIONAL", "retain": "PATCH_RETAIN", "replace": "PATCH_REPLACE", "set": "LIST_SET",
    "atomic": "LIST_ATOMIC", "map-atomic": "MAP_ATOMIC", "immutable": "IMMUTABLE", "keep": "KEEP_EMPTY",
    "inline": "INLINE", "nonempty": "NONEMPTY", "unchecked": "UNCHECKED",
}
KIND_FLAGS = {
    "create-on-update": "allow_create_on_update", "version-on-update": "require_version_on_update",
    "orphan": "orphan_by_default", "generation": "has_spec_generation", "compact": "compact", "measured": "measured",
}
VERBS = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"]
COLUMN_TYPES = {"string", "integer", "number", "boolean", "date"}
TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+?\([^()]*\))(?=\s|$)|(\S+)')


class FormatError(Exception):
    pass


class Field:
    def __init__(self, package, name, number, type_text):
        self.package, self.name, self.number, self.type_text = package, name, number, type_text
        self.flags, self.attributes, self.description = [], {}, ""
        self.container = {"[]": "LIST", "{}": "MAP"}.get(type_text[:2])
        self.element, _, self.union = (type_text[2:] if self.container else type_text).partition("|")
        if self.union and self.union not in UNIONS:
            raise FormatError(f"unknown type {type_text}")
        self.message = None


class Message:
    def __init__(self, package, name):
        self.package, self.name, self.fields, self.description = package, name, [], ""
        self.hooks, self.map_atomic, self.like = {}, False, None


class Kind:
    def __init__(self, group, version, name, plural, namespaced):
        self.group, self.version, self.name, self.plural, self.namespaced = group, version, name, plural, namespaced
        self.short, self.categories, self.verbs, self.flags = [], [], [], []
        self.subresources, self.selectable, self.columns = [], [], []
        self.strategy = self.names = self.storage = self.convert = self.deprecated = self.package = self.like = None


def tokens(line):
    """The words of a line: (text, was it quoted)."""
    result = []
    for match in TOKEN.finditer(line):
        if match.group(1) is not None:
            result.append((re.sub(r"\\(.)", r"\1", match.group(1)), True))
        else:
            result.append((match.group(2) or match.group(3), False))
    return result


def verb_list(text):
    names = VERBS if text == "all" else text.split(",")
    for name in names:
        if name not in VERBS:
            raise FormatError(f"unknown verb {name}")
    return names


class Parser:
    def __init__(self):
        self.packages, self.messages, self.kinds, self.groups = {}, {}, [], []

    def read(self, path):
        self.group = self.version = self.package = self.target = None
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                line = line.rstrip("\n")
                if not line.strip() or line.lstrip().startswith("#"):
                    continue
                try:
                    self.line(line)
                except (FormatError, ValueError, IndexError) as error:
                    sys.exit(f"{path}:{number}: {error}")

    def line(self, line):
        words = tokens(line)
        if not line.startswith(" "):
            self.section(words)
        elif isinstance(self.target, Message):
            self.field(words)
        elif isinstance(self.target, Kind):
            self.kind_line(words)
        else:
            raise FormatError("an indented line belongs to a message or a kind")

    def section(self, words):
        word = words[0][0]
        if word == "group":
            self.group, self.version = ("" if words[1][0] == "core" else words[1][0]), words[2][0]
        elif word == "package":
            self.package = words[1][0]
            self.packages[self.package] = words[2][0]
            self.groups.append((self.group, self.version, words[2][0]))
        elif word == "message":
            self.message(words[1:])
        elif word == "kind":
            self.target = Kind(self.group, self.version, words[1][0], words[2][0], True)
            self.target.package = self.package
            for text, _ in words[3:]:
                if text != "cluster":
                    raise FormatError(f"unknown word {text}")
                self.target.namespaced = False
            self.kinds.append(self.target)
        else:
            raise FormatError(f"unknown section {word}")

    def message(self, words):
        message = Message(self.package, words[0][0])
        if words[1:] and words[1] == ("like", False):
            self.copy_message(message, words[2][0])
            words = words[:1] + words[3:]
        for text, quoted in words[1:]:
            if quoted:
                message.description = text
            elif text == "map-atomic":
                message.map_atomic = True
            elif re.fullmatch(r"(defaults|validate)\(\w+\)", text):
                hook, symbol = text[:-1].split("(")
                message.hooks[hook] = symbol
            else:
                raise FormatError(f"unknown word {text}")
        key = (message.package, message.name)
        if key in self.messages:
            raise FormatError(f"message {message.name} is described twice")
        self.messages[key] = self.target = message

    def copy_message(self, message, name):
        """Gives MESSAGE all that the message NAME ("apps/v1.DeploymentSpec") has; the lines that follow change it."""
        package, _, plain = name.rpartition(".")
        source = self.messages.get((package or self.package, plain))
        if not source:
            raise FormatError(f"unknown message {name}")
        message.fields, message.description = [copy.copy(field) for field in source.fields], source.description
        message.hooks, message.map_atomic, message.like = dict(source.hooks), source.map_atomic, source

    def copy_kind(self, kind, name):
        """Gives KIND all that the kind NAME ("apps/v1.Deployment") has but its strategy: objects are stored as that."""
        package, _, plain = name.rpartition(".")
        source = next((other for other in self.kinds if (other.package, other.name) == (package, plain)), None)
        if not source:
            raise FormatError(f"unknown kind {name}")
        for member in ("short", "categories", "verbs", "flags", "subresources", "selectable", "columns"):
            setattr(kind, member, list(getattr(source, member)))
        kind.names, kind.like, kind.storage = source.names, name, name

    def add_missing_messages(self):
        """A kind that is like another one has its message, unless it has one of its own."""
        for kind in self.kinds:
            if kind.like and (kind.package, kind.name) not in self.messages:
                message = self.messages[kind.package, kind.name] = Message(kind.package, kind.name)
                self.copy_message(message, kind.like)

    def add_field(self, field):
        """In a message that is like another one a field takes the place of the one with its number, or stands before
        the first with a greater one."""
        fields = self.target.fields
        at = len(fields)
        if self.target.like:
            same = [i for i, other in enumerate(fields) if other.number == field.number and other.package != self.package]
            greater = [i for i, other in enumerate(fields) if other.number > field.number]
            at = (same + greater + [at])[0]
            del fields[at:at + len(same)]
        fields.insert(at, field)

    def field(self, words):
        field = Field(self.package, words[0][0], int(words[1][0]), words[2][0])
        for text, quoted in words[3:]:
            if quoted:
                field.description = text
            elif text in FLAGS:
                field.flags.append(FLAGS[text])
            elif text == "granular":
                field.attributes["granular"] = True
            elif text == "merge":
                field.flags.append("PATCH_MERGE")
            else:
                match = re.fullmatch(r"(merge|keyed|default|one-of|format|range)\((.*)\)", text)
                if not match:
                    raise FormatError(f"unknown attribute {text}")
                field.attributes[match.group(1)] = match.group(2)
        self.add_field(field)

    def kind_line(self, words):
        kind, word, rest = self.target, words[0][0], [text for text, _ in words[1:]]
        if word in ("short", "categories"):
            setattr(kind, word, rest)
        elif word == "verbs":
            kind.verbs = verb_list(rest[0])
        elif word == "flags":
            for flag in rest:
                if flag not in KIND_FLAGS:
                    raise FormatError(f"unknown flag {flag}")
            kind.flags = rest
        elif word == "subresource":
            row = (rest[0], verb_list(rest[1]), rest[2] if len(rest) > 2 else None)
            kind.subresources = [other for other in kind.subresources if other[0] != row[0]] + [row]
        elif word == "selectable":
            kind.selectable.append((rest + ["", ""])[:2] + [rest[2] if len(rest) > 2 else None])
        elif word == "column":
            kind.columns.append(self.column(rest))
        elif word in ("strategy", "names", "deprecated"):
            setattr(kind, word, rest[0])
        elif word == "like":
            self.copy_kind(kind, rest[0])
        elif word == "converted":
            kind.convert = rest[0]
        elif word == "storage":
            kind.storage, kind.convert = rest[0], (rest[1] if len(rest) > 1 else None)
        else:
            raise FormatError(f"unknown word {word}")

    @staticmethod
    def column(rest):
        name, type_text, rest = rest[0], rest[1], rest[2:]
        type_name, _, column_format = type_text.partition(":")
        if type_name not in COLUMN_TYPES:
            raise FormatError(f"unknown column type {type_name}")
        wide = bool(rest) and rest[0] == "wide"
        how, value = rest[1:3] if wide else rest[0:2]
        if how not in ("=", "cell"):
            raise FormatError("a column is `= member.path` or `cell FUNCTION`")
        description = rest[3 if wide else 2] if len(rest) > (3 if wide else 2) else ""
        return (name, type_name, column_format, wide, value if how == "=" else None,
                value if how == "cell" else None, description)


def c_string(text):
    if text is None:
        return "NULL"
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def identifier(*parts):
    return re.sub(r"[^A-Za-z0-9]+", "_", "_".join(parts))


class Writer:
    def __init__(self, parser):
        self.parser, self.out, self.lists = parser, [], {}

    def message_symbol(self, message):
        return "message_" + identifier(message.package, message.name)

    def kind_symbol(self, kind):
        return "kind_" + identifier(kind.group or "core", kind.version, kind.name)

    def string_list(self, names):
        """The symbol of a NULL-terminated constant list, written once."""
        if not names:
            return "NULL"
        names = tuple(names)
        if names not in self.lists:
            self.lists[names] = f"names_{len(self.lists)}"
            self.out.append(f"static const char *const {self.lists[names]}[] = {{ "
                            + ", ".join(map(c_string, names)) + ", NULL };")
        return self.lists[names]

    def resolve(self):
        for message in self.parser.messages.values():
            numbers, names = set(), set()
            for field in message.fields:
                if field.number in numbers or field.name in names:
                    sys.exit(f"{message.name}.{field.name}: name or number is used twice")
                numbers.add(field.number)
                names.add(field.name)
                field.message = self.field_message(message, field)

    def field_message(self, message, field):
        """The message a field holds; a type of FIELD's own package may have a version of its own in MESSAGE's."""
        if field.element in SCALARS:
            return None
        messages, (package, _, name) = self.parser.messages, field.element.rpartition(".")
        found = messages.get((package or message.package, name)) or messages.get((package or field.package, name))
        if not found:
            sys.exit(f"{message.name}.{field.name}: unknown type {field.element}")
        return found

    def flags(self, field):
        flags = list(field.flags)
        if field.container:
            flags.append(field.container)
        if "merge" in field.attributes:
            flags.append("PATCH_MERGE")
        if "keyed" in field.attributes:
            flags.append("LIST_MAP")
        atomic = field.message and field.message.map_atomic and not field.container
        if atomic and "granular" not in field.attributes and "MAP_ATOMIC" not in flags:
            flags.append("MAP_ATOMIC")
        return " | ".join("API_FIELD_" + flag for flag in flags) or "0"

    def field_text(self, field):
        attributes, parts = field.attributes, []

        def add(member, value):
            parts.append(f".{member} = {value}")

        add("name", c_string(field.name))
        add("description", c_string(field.description))
        add("number", field.number)
        add("flags", self.flags(field))
        add("type", UNIONS.get(field.union, "API_MESSAGE") if field.message else SCALARS[field.element])
        if field.message:
            add("message", "&" + self.message_symbol(field.message))
        if attributes.get("merge"):
            add("merge_key", c_string(attributes["merge"]))
        if "keyed" in attributes:
            add("list_map_keys", self.string_list(attributes["keyed"].split(",")))
        if "default" in attributes:
            json.loads(attributes["default"])
            add("default_json", c_string(attributes["default"]))
        if "one-of" in attributes:
            add("allowed", self.string_list(attributes["one-of"].split("|")))
        if "format" in attributes:
            add("format", c_string(attributes["format"]))
        if "range" in attributes:
            low, high = attributes["range"].split("..")
            add("minimum", f"INT64_C({low})")
            add("maximum", f"INT64_C({high})" if high else "INT64_MAX")
        return "  { " + ", ".join(parts) + " },"

    def flat(self, message, path, depth=0):
        """(JSON name, C expression of the field) of a message and of those inlined in it."""
        for index, field in enumerate(message.fields):
            if "INLINE" in field.flags:
                if depth > 4:
                    sys.exit(f"{message.name}.{field.name}: inlined in a circle")
                yield from self.flat(field.message, self.message_symbol(field.message), depth + 1)
            else:
                yield field.name, f"&{self.message_symbol(message)}_fields[{index}]"

    def write_messages(self):
        messages = list(self.parser.messages.values())
        for message in messages:
            self.out.append(f"static const ApiMessage {self.message_symbol(message)};")
        for message in messages:
            rows = [self.field_text(field) for field in message.fields]
            symbol = self.message_symbol(message)
            if rows:
                self.out += [f"static const ApiField {symbol}_fields[] = {{"] + rows + ["};"]
                numbers = sorted(range(len(rows)), key=lambda i: message.fields[i].number)
                self.out.append(f"static const uint16_t {symbol}_numbers[] = {{ "
                                + ", ".join(map(str, numbers)) + " };")
        for message in messages:
            self.write_message(message)

    def write_message(self, message):
        symbol, flat = self.message_symbol(message), sorted(self.flat(message, ""))
        for (first, _), (second, _) in zip(flat, flat[1:]):
            if first == second:
                sys.exit(f"{message.name}: {first} appears twice once inlined")
        package = self.parser.packages[message.package]
        parts = [f".name = {c_string(package + '.' + message.name)}",
                 f".description = {c_string(message.description)}"]
        if message.fields:
            self.out.append(f"static const ApiField *const {symbol}_names[] = {{ "
                            + ", ".join(expression for _, expression in flat) + " };")
            parts += [f".fields = {symbol}_fields", f".n_fields = {len(message.fields)}",
                      f".by_name = {symbol}_names", f".n_by_name = {len(flat)}", f".by_number = {symbol}_numbers"]
        for hook, member in (("defaults", "set_defaults"), ("validate", "validate")):
            if hook in message.hooks:
                parts.append(f".{member} = {message.hooks[hook]}")
        self.out.append(f"static const ApiMessage {symbol} = {{ " + ", ".join(parts) + " };")

    def verbs(self, names):
        return " | ".join("API_VERB_" + name.upper() for name in names) or "0"

    def write_kinds(self):
        self.symbols = {}
        for kind in self.parser.kinds:
            self.symbols[(kind.package, kind.name)] = self.kind_symbol(kind)
            self.out.append(f"static const ApiKind {self.kind_symbol(kind)};")
        for kind in self.parser.kinds:
            self.write_kind(kind)

    def write_rows(self, symbol, type_name, rows):
        if rows:
            self.out += [f"static const {type_name} {symbol}[] = {{"] + [f"  {{ {row} }}," for row in rows] + ["};"]

    def subresource_text(self, kind, name, verbs, speaks):
        group = version = None
        if speaks:
            left, _, target = speaks.rpartition(".")
            group, _, version = left.rpartition("/")
            group = "" if group == "core" else group
        else:
            target = kind.name
        return (f".name = {c_string(name)}, .group = {c_string(group)}, .version = {c_string(version)}, "
                f".kind = {c_string(target)}, .verbs = {self.verbs(verbs)}")

    def write_kind(self, kind):
        message = self.parser.messages.get((kind.package, kind.name))
        if not message:
            sys.exit(f"kind {kind.name}: no message of that name in {kind.package}")
        symbol = self.kind_symbol(kind)
        self.write_rows(symbol + "_subresources", "ApiSubresource",
                        [self.subresource_text(kind, *row) for row in kind.subresources])
        self.write_rows(symbol + "_selectable", "ApiSelectableField",
                        [", ".join(map(c_string, row)) for row in kind.selectable])
        self.write_rows(symbol + "_columns", "ApiColumn", [
            f".name = {c_string(name)}, .type = {c_string(type_name)}, .format = {c_string(column_format)}, "
            f".description = {c_string(description)}, .priority = {int(wide)}, .path = {c_string(path)}, "
            f".cell = {'cell_' + cell if cell else 'NULL'}"
            for name, type_name, column_format, wide, path, cell, description in kind.columns])
        parts = [f".group = {c_string(kind.group)}", f".version = {c_string(kind.version)}",
                 f".kind = {c_string(kind.name)}", f".list_kind = {c_string(kind.name + 'List')}",
                 f".plural = {c_string(kind.plural)}", f".singular = {c_string(kind.name.lower())}",
                 f".short_names = {self.string_list(kind.short)}",
                 f".categories = {self.string_list(kind.categories)}",
                 f".description = {c_string(message.description)}", f".namespaced = {int(kind.namespaced)}"]
        parts += [f".{KIND_FLAGS[flag]} = true" for flag in kind.flags]
        parts += [f".verbs = {self.verbs(kind.verbs)}", f".message = &{self.message_symbol(message)}"]
        for member, rows in (("subresources", kind.subresources), ("columns", kind.columns),
                             ("selectable", kind.selectable)):
            if rows:
                parts += [f".{member} = {symbol}_{member}", f".n_{member} = {len(rows)}"]
        if kind.strategy:
            parts.append(f".strategy = &strategy_{kind.strategy}")
        parts += self.storage_parts(kind)
        for member, text in (("deprecation", kind.deprecated), ("name_format", kind.names)):
            if text:
                parts.append(f".{member} = {c_string(text)}")
        self.out += [f"static const ApiKind {symbol} = {{"] + ["  " + part + "," for part in parts] + ["};"]

    def storage_parts(self, kind):
        if not kind.storage:
            return [f".storage = &{self.kind_symbol(kind)}"]
        package, _, name = kind.storage.rpartition(".")
        if (package, name) not in self.symbols:
            sys.exit(f"kind {kind.name}: unknown storage kind {kind.storage}")
        parts = [f".storage = &{self.symbols[(package, name)]}"]
        if kind.convert:
            parts += [f".convert_to_storage = convert_{kind.convert}_to_storage",
                      f".convert_from_storage = convert_{kind.convert}_from_storage"]
        return parts

    def write_index(self):
        kinds = self.parser.kinds
        self.out += ["static const ApiKind *const all_kinds[] = {"]
        self.out += [f"  &{self.kind_symbol(kind)}," for kind in kinds] + ["};", ""]
        self.out += ["const ApiKind *const *api_builtin_kinds(size_t *n_kinds)", "{",
                     "  *n_kinds = G_N_ELEMENTS(all_kinds);", "  return all_kinds;", "}", ""]
        ordered = sorted(self.parser.messages.values(),
                         key=lambda m: self.parser.packages[m.package] + "." + m.name)
        self.out += ["static const ApiMessage *const all_messages[] = {"]
        self.out += [f"  &{self.message_symbol(message)}," for message in ordered] + ["};", ""]
        self.out += ["const ApiMessage *const *api_builtin_messages(size_t *n_messages)", "{",
                     "  *n_messages = G_N_ELEMENTS(all_messages);", "  return all_messages;", "}", ""]
        self.write_rows("all_packages", "ApiPackage",
                        [", ".join(map(c_string, package)) for package in self.parser.groups])
        self.out += ["const ApiPackage *api_builtin_packages(size_t *n_packages)", "{",
                     "  *n_packages = G_N_ELEMENTS(all_packages);", "  return all_packages;", "}"]

    def text(self):
        self.resolve()
        self.out += ["/* Generated by generate.py from the *.kinds files: do not edit. */",
                     '#include "clusterd/api/scheme.h"', '#include "clusterd/api/conversion/conversion.h"',
                     '#include "clusterd/api/strategies/strategies.h"',
                     '#include "clusterd/api/table/table_cells.h"', ""]
        self.write_messages()
        self.write_kinds()
        self.write_index()
        return "\n".join(self.out) + "\n"


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    parser = Parser()
    for path in sys.argv[2:]:
        parser.read(path)
    parser.add_missing_messages()
    text = Writer(parser).text()
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main()
