"""As much of protobuf's wire format as the tests need to look into replies, with nothing of the server in it."""
import struct

MAGIC = b"k8s\x00"


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def fields(data):
    """{number: [values]} of one message."""
    found, at = {}, 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        elif key & 7 == 2:
            length, at = varint(data, at)
            value, at = data[at:at + length], at + length
        elif key & 7 == 1:
            value, at = data[at:at + 8], at + 8
        else:
            raise ValueError(f"wire type {key & 7}")
        found.setdefault(key >> 3, []).append(value)
    return found


def text(message, number):
    return message.get(number, [b""])[0].decode()


def unwrap(data):
    """(apiVersion, kind, fields of the message) of an enveloped object."""
    if not data.startswith(MAGIC):
        raise ValueError(f"not Kubernetes' protobuf: {data[:40]!r}")
    envelope = fields(data[len(MAGIC):])
    meta = fields(envelope[1][0])
    return text(meta, 1), text(meta, 2), fields(envelope[2][0])


def name(message):
    """metadata.name of an object; its metadata is field 1 always."""
    return text(fields(message[1][0]), 1)


def events(data):
    """(type, apiVersion, kind, message) of every frame of a watch."""
    at = 0
    while at < len(data):
        length, = struct.unpack_from(">I", data, at)
        event = fields(data[at + 4:at + 4 + length])
        at += 4 + length
        yield (text(event, 1), *unwrap(fields(event[2][0])[1][0]))
