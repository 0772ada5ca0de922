"""Add vectors for tags that have none yet (run by hand; existing ones are never touched)."""

from __future__ import annotations

import json
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgpack
import msgspec

from server import wire
from signaling import events
from signaling.protocol import AnyServerEvent

HERE = Path(__file__).parent
RECORDS, WIRE = HERE / "records.json", HERE / "wire.json"


def example(kind: Any, name: str = "") -> Any:
    """A small value of any type that our Structs use."""
    origin = get_origin(kind)
    if hasattr(kind, "__metadata__"):
        return digits(kind, name) or example(get_args(kind)[0], name)
    if hasattr(kind, "__supertype__"):
        return example(kind.__supertype__, name)
    if origin is Literal:
        return get_args(kind)[-1]
    if origin in (Union, types.UnionType):
        return example(next(part for part in get_args(kind) if part is not type(None)), name)
    if origin is tuple:
        return (example(get_args(kind)[0], name),)
    if origin is list:
        return [example(get_args(kind)[0], name)]
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return struct(kind)
    return {str: f"{name}_1", int: 7, bool: True, bytes: b"\x01\x02", float: 1.5}[kind]


def digits(kind: Any, name: str) -> str:
    """A value for the two kinds of string that have a pattern: hashes and codes."""
    patterns = [meta.pattern for meta in kind.__metadata__ if getattr(meta, "pattern", None)]
    return "0" * (64 if "sha256" in name else 6) if patterns else ""


def struct(kind: type[Any]) -> Any:
    hints = get_type_hints(kind, include_extras=True)
    return kind(**{name: example(hints[name], name) for name in kind.__struct_fields__})


def record_kinds() -> dict[str, type[Any]]:
    return {k.__struct_config__.tag: k for k in get_args(events.AnyEvent) if k.durable}


def wire_kinds() -> dict[str, type[Any]]:
    server_events = {k.__struct_config__.tag: k for k in get_args(AnyServerEvent)}
    return {**wire.COMMANDS, **server_events}


def main() -> None:
    records = json.loads(RECORDS.read_text()) if RECORDS.exists() else {}
    for tag, kind in sorted(record_kinds().items()):
        plain = msgspec.to_builtins(struct(kind), builtin_types=(bytes,))
        records.setdefault(tag, msgpack.packb(plain).hex())
    RECORDS.write_text(json.dumps(records, indent=1, sort_keys=True) + "\n")
    messages = json.loads(WIRE.read_text()) if WIRE.exists() else {}
    for tag, kind in sorted(wire_kinds().items()):
        messages.setdefault(tag, msgspec.to_builtins(struct(kind)))
    WIRE.write_text(json.dumps(messages, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
