"""Write the vectors that hold bytes: `python spec/generate.py`.

It follows `batch.md` with the standard library alone and shares no code with the package, so that the vectors test the
package and not themselves.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "vectors"
HEADER = ">BBHIqIQIQ"
BORN = 1533780827824
INTS = ((0xCC, 0xD0, "B", "b"), (0xCD, 0xD1, ">H", ">h"), (0xCE, 0xD2, ">I", ">i"), (0xCF, 0xD3, ">Q", ">q"))


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli), bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def pack(value: Any) -> bytes:
    """A value as MessagePack in its shortest form; a float always takes eight bytes."""
    if value is None or isinstance(value, bool):
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value]
    if isinstance(value, int):
        return pack_int(value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, bytes):
        return sized(len(value), (0xC4, 0xC5, 0xC6)) + value
    if isinstance(value, str):
        data = value.encode()
        return (bytes([0xA0 | len(data)]) if len(data) < 32 else sized(len(data), (0xD9, 0xDA, 0xDB))) + data
    if isinstance(value, dict):
        head = bytes([0x80 | len(value)]) if len(value) < 16 else sized(len(value), (0, 0xDE, 0xDF), smallest=1)
        return head + b"".join(pack(part) for entry in value.items() for part in entry)
    head = bytes([0x90 | len(value)]) if len(value) < 16 else sized(len(value), (0, 0xDC, 0xDD), smallest=1)
    return head + b"".join(pack(part) for part in value)


def pack_int(value: int) -> bytes:
    """An integer in the shortest form that holds it."""
    if -32 <= value < 128:
        return struct.pack("b", value)
    for positive, negative, unsigned, signed in INTS:
        bits = 8 * struct.calcsize(signed)
        if 0 <= value < 1 << bits:
            return bytes([positive]) + struct.pack(unsigned, value)
        if -(1 << bits - 1) <= value < 0:
            return bytes([negative]) + struct.pack(signed, value)
    raise ValueError(value)


def sized(count: int, tags: tuple[int, int, int], smallest: int = 0) -> bytes:
    """A tag and a length of one, two or four bytes."""
    for tag, form in list(zip(tags, ("B", ">H", ">I"), strict=True))[smallest:]:
        if count < 1 << 8 * struct.calcsize(form):
            return bytes([tag]) + struct.pack(form, count)
    raise ValueError(count)


def zstd_frame(data: bytes, claimed: int | None = None) -> bytes:
    """A zstd frame of one raw block that states a size, the right one unless told otherwise."""
    size = struct.pack("<I", len(data) if claimed is None else claimed)
    return b"\x28\xb5\x2f\xfd\xa0" + size + struct.pack("<I", len(data) << 3 | 1)[:3] + data


def lz4_frame(data: bytes) -> bytes:
    """An lz4 frame of one uncompressed block, without content size and checksums."""
    return b"\x04\x22\x4d\x18\x60\x40\x82" + struct.pack("<I", len(data) | 1 << 31) + data + bytes(4)


def batch(
    records: list[list[Any]], *, payload: bytes | None = None, raw_shared: bytes | None = None, **fields: Any
) -> bytes:
    """The bytes of a batch; header fields may be given, also wrong ones."""
    shared = pack(fields.get("shared", {})) if raw_shared is None else raw_shared
    payload = pack(records) if payload is None else payload
    body = struct.pack(
        HEADER,
        fields.get("version", 1),
        fields.get("attributes", 0),
        fields.get("shared_bytes", len(shared)),
        fields.get("count", len(records)),
        fields.get("born_ms", BORN),
        fields.get("last_delta_ms", 0),
        fields.get("producer_id", 7),
        fields.get("producer_epoch", 0),
        fields.get("first_sequence", 0),
    )
    body += shared + payload
    return struct.pack(">II", fields.get("length", len(body)), fields.get("crc", crc32c(body))) + body


def tagged(value: Any) -> Any:
    """A value in the JSON form of properties."""
    if isinstance(value, bytes):
        return {"binary": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {name: tagged(part) for name, part in value.items()}
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf")) or value.is_integer()):
        return {"double": repr(value).replace("inf", "Infinity").replace("nan", "NaN")}
    if isinstance(value, int) and abs(value) > (1 << 53) - 1:
        return {"long": str(value)}
    return value


def message_id(born_ms: int, producer_id: int, sequence: int) -> str:
    """The id of a message, 32 hexadecimal digits."""
    return f"{born_ms % (1 << 48):012x}{producer_id % (1 << 40):010x}{sequence % (1 << 40):010x}"


def valid(name: str, records: list[list[Any]], **fields: Any) -> dict[str, Any]:
    """A batch and all that a reader must find in it."""
    born, producer, first = (
        fields.get(key, default) for key, default in (("born_ms", BORN), ("producer_id", 7), ("first_sequence", 0))
    )
    head = ("attributes", "born_ms", "last_delta_ms", "producer_id", "producer_epoch", "first_sequence")
    defaults = {"born_ms": BORN, "producer_id": 7}
    return {
        "name": name,
        "batch": batch(records, **fields).hex(),
        "header": {key: tagged(fields.get(key, defaults.get(key, 0))) for key in head},
        "shared": tagged(fields.get("shared", {})),
        "records": [[record[0].hex(), record[1], tagged(record[2]), tagged(record[3])] for record in records],
        "ids": [
            (record[3] or {}).get("messageId", message_id(born, producer, first + i))
            for i, record in enumerate(records)
        ],
    }


ONE: list[list[Any]] = [[b"hello", None, None, None]]
TWO: list[list[Any]] = [
    [b"", "alice", {"a": 1}, {"correlationId": "c"}],
    [b"\x00\xff", None, {"b": b"\x00", "f": 2.0, "t": True}, None],
]


def valid_batches() -> Iterable[dict[str, Any]]:
    """Batches that a reader accepts."""
    yield valid("one message", ONE)
    yield valid(
        "shared headers, key, properties, headers", TWO, shared={"bornHost": "172.24.0.101:10035"}, attributes=4
    )
    yield valid(
        "largest numbers",
        ONE,
        born_ms=(1 << 47),
        last_delta_ms=(1 << 32) - 1,
        producer_id=(1 << 40) - 1,
        producer_epoch=(1 << 32) - 1,
        first_sequence=(1 << 40) - 1,
    )
    yield valid("born before 1970", ONE, born_ms=-1)
    own: list[list[Any]] = [[b"x", None, None, {"messageId": "m-1"}]]
    yield valid("an id of its own", own, attributes=8)
    twenty: list[list[Any]] = [[b"%d" % i, f"key-{i}", None, None] for i in range(20)]
    yield valid("twenty messages", twenty, attributes=4)
    yield valid(
        "a body of 300 bytes", [[bytes(300), None, {"long name of a property, over 31 bytes": "v" * 300}, None]]
    )
    yield valid("zstd, one raw block", TWO, payload=zstd_frame(pack(TWO)), attributes=5)
    yield valid("lz4, one uncompressed block", TWO, payload=lz4_frame(pack(TWO)), attributes=6)


def invalid_batches() -> Iterable[dict[str, Any]]:
    """Batches that a reader refuses."""
    whole = batch(ONE)
    flipped = whole[:-1] + bytes([whole[-1] ^ 1])
    bombs = pack(ONE)
    cases = [
        ("empty", b"", 1501),
        ("ends inside the header", whole[:47], 1501),
        ("ends inside the records", whole[:-1], 1501),
        ("a bit flipped", flipped, 1501),
        ("a newer format", batch(ONE, version=2), 1101),
        ("format 0", batch(ONE, version=0), 1101),
        ("a length beyond the end", batch(ONE, length=len(whole)), 1501),
        ("a forged length", batch(ONE, length=(1 << 32) - 1), 1501),
        ("a length inside the header", batch(ONE, length=39), 1501),
        ("shared headers beyond the end", batch(ONE, shared_bytes=65535), 1501),
        ("count 0", batch([], count=0), 1501),
        ("count over 2^20", batch(ONE, count=(1 << 20) + 1), 1501),
        ("count of two, one record", batch(ONE, count=2), 1501),
        ("shared headers that are no map", batch(ONE, raw_shared=b"\x90"), 1501),
        ("records that are no array", batch(ONE, payload=b"\x80"), 1501),
        ("a record that is no array", batch(ONE, payload=b"\x91\xa1a"), 1501),
        ("a record without a body", batch(ONE, payload=b"\x91\x90"), 1501),
        ("a body that is text", batch(ONE, payload=b"\x91\x94\xa1a\xc0\xc0\xc0"), 1501),
        ("a key that is no UTF-8", batch(ONE, payload=b"\x91\x94\xc4\x00\xa1\xff\xc0\xc0"), 1501),
        ("bytes after the records", batch(ONE, payload=pack(ONE) + b"\xc0"), 1501),
        ("an array of a forged count", batch(ONE, payload=b"\xdd\xff\xff\xff\xff"), 1501),
        ("a body of a forged length", batch(ONE, payload=b"\x91\x94\xc6\xff\xff\xff\xff"), 1501),
        ("arrays nested 100,000 deep", batch(ONE, payload=b"\x91\x94\xc4\x00\xc0\x81\xa1k" + b"\x91" * 100_000), 1501),
        ("zstd that is none", batch(ONE, payload=bombs, attributes=1), 1501),
        ("zstd that states a size of 4 GiB", batch(ONE, payload=zstd_frame(bombs, (1 << 32) - 1), attributes=1), 1501),
        ("zstd that states too small a size", batch(ONE, payload=zstd_frame(bombs, 1), attributes=1), 1501),
        ("zstd that ends early", batch(ONE, payload=zstd_frame(bombs)[:-1], attributes=1), 1501),
        ("lz4 that is none", batch(ONE, payload=bombs, attributes=2), 1501),
        ("lz4 that ends early", batch(ONE, payload=lz4_frame(bombs)[:-5], attributes=2), 1501),
        ("compression 3", batch(ONE, attributes=3), 1400),
    ]
    for name, data, code in cases:
        if len(data) > 4096:  # kept readable: a prefix and one byte many times over
            yield {
                "name": name,
                "prefix": data[:-100_000].hex(),
                "repeat": data[-1:].hex(),
                "times": 100_000,
                "code": code,
            }
        else:
            yield {"name": name, "batch": data.hex(), "code": code}


def ids() -> dict[str, Any]:
    """Message ids, and a list of them in the order of time."""
    numbers: list[tuple[int, int, int]] = [
        (0, 0, 0),
        (BORN, 7, 0),
        (BORN, 7, 255),
        (BORN, 8, 0),
        (BORN + 1, 0, 0),
        ((1 << 48) - 1, (1 << 40) - 1, (1 << 40) - 1),
    ]
    wrapped = [(-1, 0, 0), (1 << 48, 1 << 40, 1 << 40)]
    cases = [
        {"born_ms": born, "producer_id": producer, "sequence": sequence, "id": message_id(born, producer, sequence)}
        for born, producer, sequence in numbers + wrapped
    ]
    return {"ids": cases, "sorted": [message_id(*case) for case in numbers]}


WHOLE = {"short": 15, "int": 31, "long": 63}


def reads() -> Iterable[dict[str, Any]]:
    """What each typed accessor makes of a value; a code where it refuses."""
    for kind, bits in WHOLE.items():
        for value in (0, (1 << bits) - 1, -(1 << bits)):
            yield {"value": tagged(value), "read": kind, "gives": tagged(value)}
    for kind, value in (("short", 1 << 15), ("short", -(1 << 15) - 1), ("int", 1 << 31), ("int", -(1 << 31) - 1)):
        yield {"value": value, "read": kind, "code": 1400}
    right: dict[str, Any] = {"boolean": True, "long": 7, "double": 0.1, "string": "7", "binary": b"7"}
    for kind in ("boolean", "short", "int", "long", "float", "double", "string", "binary"):
        for of, value in right.items():
            fits = of == kind or (of == "long" and kind in WHOLE)
            yield {"value": tagged(value), "read": kind, **({"gives": tagged(value)} if fits else {"code": 1400})}
    number: float
    for number in (0.5, float("inf"), float("nan"), 3.4028234663852886e38):
        yield {"value": tagged(number), "read": "float", "gives": tagged(number)}
    for number in (1e300, 1 / 3, 3.5e38):
        yield {"value": tagged(number), "read": "float", "code": 1400}


def key_values() -> dict[str, Any]:
    """Properties with their MessagePack bytes, what accessors read, and what is refused."""
    values = [
        True, False, 0, 127, 128, 255, 256, 65535, 65536, (1 << 32) - 1, 1 << 32, (1 << 63) - 1,
        -1, -32, -33, -128, -129, -32768, -32769, -(1 << 31), -(1 << 31) - 1, -(1 << 63),
        0.0, -0.0, 0.1, 1e300, float("inf"), float("-inf"), float("nan"),
        "", "größe", "x" * 31, "x" * 32, "x" * 256, "line\nend", b"", b"\x00\xff", bytes(256),
    ]  # fmt: skip
    refused: list[tuple[Any, Any]] = [
        ("", 1), ("a\nb", 1), ("\x00", 1), ("a", None), ("a", [1]), ("a", 1 << 63), ("a", -(1 << 63) - 1),
    ]  # fmt: skip
    return {
        "valid": [{"value": tagged(value), "msgpack": pack({"k": value}).hex()} for value in values],
        "reads": list(reads()),
        "missing": {
            "boolean": False,
            "short": 0,
            "int": 0,
            "long": 0,
            "float": tagged(0.0),
            "double": tagged(0.0),
            "string": None,
            "binary": None,
        },
        "invalid": [{"name": name, "value": tagged(value), "code": 1400} for name, value in refused],
    }


def conversation() -> Iterable[dict[str, Any]]:
    """Frames of a connection, as `protocol.md` describes them."""
    stored = batch([[b"hello", None, None, None]])
    delivery = {
        "destination": "default://orders", "partition": 0, "base_offset": 0, "store_ms": BORN, "data": stored,
        "first": 0, "last": 1, "lease_id": 1, "attempt": 1, "deadline_ms": BORN + 30_000,
    }  # fmt: skip
    placement = {"partition": 0, "base_offset": 0, "store_ms": BORN, "durability": "fsync", "original": None}
    frames: list[tuple[str, int, int, Any]] = [
        ("client", 1, 1, ["OMS", [1], "example", "worker-1", "", "", ""]),
        ("server", 2, 1, [1, "example", ["key-order", "lease"], 4194304, 33554432, 10000, BORN]),
        ("client", 3, 2, [[["default://orders", None, stored, None, None, None]], None, 0]),
        ("server", 4, 2, [[placement]]),
        ("client", 9, 3, ["partition_count", ["default://orders"]]),
        ("server", 10, 3, [1]),
        ("client", 5, 4, [1, 100, 1048576, 30000]),
        ("server", 6, 4, [[delivery]]),
        ("client", 17, 4, None),
        ("client", 7, 5, [1, [[0, 1, [0], None, ""]]]),
        ("server", 8, 5, [[]]),
        ("client", 9, 6, ["describe_queue", ["default://missing"]]),
        ("server", 11, 6, [1404, "OMSDestinationException", "no such queue", "Create it", None]),
        ("client", 13, 0, None),
        ("server", 14, 0, None),
        # Other connections: with account and key, with a token or JWT alone, and one that is not let in.
        ("client", 1, 1, ["OMS", [1], "example", "worker-1", "alice", "correct horse", "eu"]),
        ("client", 1, 1, ["OMS", [1], "example", "worker-1", "", "oms_0a1b2c3d_an-example", ""]),
        ("server", 11, 0, [1401, "OMSSecurityException", "the server does not know this account and key", "", None]),
        # What a client may not do is answered, and the connection goes on.
        ("client", 9, 7, ["delete_queue", ["default://orders"]]),
        ("server", 11, 7, [1403, "OMSSecurityException", "no right to manage default://orders", "", None]),
    ]
    for sender, kind, request, body in frames:
        data = b"" if body is None else pack(body)
        head = struct.pack(">IBBHI", 8 + len(data), kind, 0, 0, request)
        yield {"from": sender, "kind": kind, "request": request, "bytes": (head + data).hex()}


def native_name(name: str, partition: int | None, allowed: str) -> str:
    """A queue's name in a system, as `mappings/README.md` says."""
    plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-" + allowed

    def written(text: str) -> str:
        marks = (
            mark if mark in plain and text[at : at + 2] != "__" else "".join(f"__{byte:02x}" for byte in mark.encode())
            for at, mark in enumerate(text)
        )
        return "".join(marks)

    namespace, queue = name.split("://")
    front = "" if namespace == "default" else written(namespace) + "__-"
    return front + written(queue) + ("" if partition is None else f"__p{partition}")


def fields_of(properties: dict[str, Any], headers: dict[str, Any]) -> list[list[str]]:
    """A message's properties and headers as fields, as `mappings/README.md` says."""
    fields = [[f"oms-{name}", str(value)] for name, value in headers.items()]
    kinds = []
    for name, value in properties.items():
        kind, text = "", value
        if isinstance(value, bool):
            kind, text = "boolean", str(value).lower()
        elif isinstance(value, int):
            kind, text = "long", str(value)
        elif isinstance(value, float):
            special = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
            kind, text = "double", special.get(repr(value), repr(value))
        elif isinstance(value, bytes):
            kind, text = "binary", base64.b64encode(value).decode()
        fields.append([f"oms-p-{name}" if name.startswith("oms-") else name, text])
        if kind:
            escaped = (
                chr(byte) if 0x20 < byte < 0x7F and byte not in b'"%,=' else f"%{byte:02X}" for byte in name.encode()
            )
            kinds.append(f"{''.join(escaped)}={kind}")
    return [*fields, ["oms-types", ",".join(kinds)]] if kinds else fields


def mappings() -> dict[str, Any]:
    """Names of queues and fields of messages in other systems."""
    names = [
        ("default://orders", None, ""), ("default://orders", 3, ""), ("sales://orders", None, ""),
        ("sales://orders", 12, ""), ("default://orders.eu", None, ""), ("default://orders.eu", None, "."),
        ("default://a b", None, ""), ("default://a__b", None, ""), ("default://a___b", None, ""),
        ("default://_", None, ""), ("default://größe", None, ""), ("a_b://c-d", 0, ""),
        ("default://orders.g.dead-letter", None, "."),
    ]  # fmt: skip
    messages: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        ("nothing", {}, {}),
        ("an id and times", {}, {"messageId": "0" * 32, "bornTimestamp": BORN, "bornHost": "h:1", "priority": 7}),
        ("times to come", {}, {"delayTime": 5000, "expireTime": BORN + 60_000, "correlationId": "größe, a=b"}),
        ("a property of each type", {"s": "größe", "b": True, "i": -(1 << 63), "d": 2.5, "x": b"\x00\xff"}, {}),
        ("numbers that are none", {"n": float("nan"), "i": float("inf"), "m": float("-inf"), "z": -0.0}, {}),
        ("an empty text", {"s": ""}, {}),
        ("names like ours", {"oms-x": "y", "oms-types": "a=long", "oms-p-a": 1}, {"messageId": "1"}),
        ("names with marks", {"a=b,c d%": 1, "größe": False, 'q"': b""}, {}),
    ]
    foreign: list[tuple[str, list[tuple[str, bytes]], dict[str, Any], dict[str, Any]]] = [
        ("another program's", [("a", b"1"), ("b", b"\xff")], {"a": "1", "b": b"\xff"}, {}),
        ("a header that is none of ours", [("oms-odd", b"1")], {"oms-odd": "1"}, {}),
        ("a number that is none", [("oms-priority", b"high")], {"oms-priority": "high"}, {}),
        ("a type that does not fit", [("n", b"many"), ("oms-types", b"n=long")], {"n": "many"}, {}),
        ("a type that is not known", [("n", b"1"), ("oms-types", b"n=decimal")], {"n": "1"}, {}),
        ("a type of nothing", [("oms-types", b"n=long,,=,x")], {}, {}),
    ]
    return {
        "names": [
            {"queue": name, "partition": partition, "allowed": allowed, "native": native_name(name, partition, allowed)}
            for name, partition, allowed in names
        ],
        "not_ours": ["a.b", "a__2", "__zz", "a__C3", "x__ff", "a__p", "__-a", ""],
        "messages": [
            {
                "name": name,
                "properties": {key: tagged(value) for key, value in properties.items()},
                "headers": headers,
                "fields": fields_of(properties, headers),
            }
            for name, properties, headers in messages
        ],
        "foreign": [
            {
                "name": name,
                "fields": [[key, value.hex()] for key, value in fields],
                "properties": {key: tagged(value) for key, value in properties.items()},
                "headers": headers,
            }
            for name, fields, properties, headers in foreign
        ],
    }


def files() -> dict[str, str]:
    """The text of each generated file by its name."""
    contents = {
        "batches.json": {"valid": list(valid_batches()), "invalid": list(invalid_batches())},
        "ids.json": ids(),
        "key_values.json": key_values(),
        "mappings.json": mappings(),
        "protocol.json": list(conversation()),
    }
    return {name: json.dumps(content, indent=1) + "\n" for name, content in contents.items()}


if __name__ == "__main__":
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
