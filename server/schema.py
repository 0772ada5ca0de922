"""Write the wire's types as one JSON Schema file, from which the TypeScript types are generated.

It only translates: names are those of the Python Structs, and the file is the same for the same
Structs, byte by byte, so that a test can compare it. It must not describe anything that is not in
`signaling.protocol`. Source: JSON Schema 2020-12; docs/protocol.md.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

import msgspec

from cobrowse import ops
from signaling import protocol

DEFAULT_PATH = Path(__file__).parents[1] / "web_client/packages/protocol/schema.json"
REF = "#/$defs/"

REQUESTS: tuple[type, ...] = (
    protocol.ConnectAuth,
    protocol.SessionRequest,
    protocol.LoginRequest,
    protocol.PathRequest,
    protocol.AnswerRequest,
)
REPLIES: tuple[type, ...] = (
    protocol.SessionReply,
    protocol.WidgetConfig,
    protocol.AgentInfo,
    protocol.AccessToken,
    protocol.PathOffer,
    protocol.AnswerReply,
    protocol.FileInfo,
    protocol.TimelinePage,
    protocol.Problem,
)
OPS_NUMBERS = (
    *("WIRE_VERSION", "MAX_FRAME_BYTES", "MAX_NODES", "MAX_DEPTH", "MAX_LITERAL_CHARS", "MAX_TABLE"),
    *("MAX_TABLE_CHARS", "MAX_OPS", "MAX_SHEETS", "MAX_ASSETS", "MAX_IMAGE_BYTES", "MAX_ASSET_BYTES"),
    "MAX_HASHED",
    *("MOVED", "ELEMENT", "TEXT_NODE", "END", "FLAG_SVG", "FLAG_MATHML", "FLAG_SHADOW", "FLAG_BLOCKED"),
    *("FLAG_FRAME", "FLAG_MASKED", "FLAG_SHOWN", "FLAG_QUIRKS", "FIRST_OWN"),
)
LIMITS = ("PROTOCOL_VERSION", "MAX_TEXT_CHARS", "MAX_FILE_BYTES", "MAX_SDP_BYTES", "SNAPSHOT_ITEMS")


def _tagged(kinds: Iterable[type]) -> dict[str, Any]:
    return {str(kind.__struct_config__.tag): {"$ref": REF + kind.__name__} for kind in kinds}  # type: ignore[attr-defined]


def _named(kinds: Iterable[type]) -> dict[str, Any]:
    return {kind.__name__: {"$ref": REF + kind.__name__} for kind in kinds}


def build_schema() -> dict[str, Any]:
    """Return the schema: `commands` and `events` by their wire name, `ack`, HTTP bodies, `$defs`."""
    commands = get_args(protocol.AnyCommand)
    events = get_args(protocol.AnyServerEvent)
    kinds = [*commands, *events, protocol.Ack, *REQUESTS, *REPLIES]
    _, defs = msgspec.json.schema_components(kinds, ref_template=REF + "{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Talk Now wire protocol",
        "limits": {name: getattr(protocol, name) for name in LIMITS},
        "commands": _tagged(commands),
        "events": _tagged(events),
        "ack": {"$ref": REF + "Ack"},
        "requests": _named(REQUESTS),
        "replies": _named(REPLIES),
        "$defs": {name: defs[name] for name in sorted(defs)},
    }


def build_ops() -> str:
    """Return the opcode table of cobrowse frames as a TypeScript module."""
    table = [f'  {op.code}: ["{op.name}", "{op.args}"],' for op in ops.OPS]
    side = [f"  {name}: {code}," for name, code in ops.SIDE.items()]
    return "\n".join(
        [
            "// Generated from cobrowse/ops.py by `talknow schema`. Do not edit.",
            *(f"export const {name} = {getattr(ops, name)};" for name in OPS_NUMBERS),
            *(f"export const OP_{op.name} = {op.code};" for op in ops.OPS),
            *(f"export const SIDE_{name} = {code};" for name, code in ops.SIDE.items()),
            "/** Opcode -> name and one letter per argument (docs/cobrowse_wire.md). */",
            "export const OPS: Readonly<Record<number, readonly [name: string, args: string]>> = {",
            *table,
            "};",
            "/** Messages beside the stream. */",
            "export const SIDE = {",
            *side,
            "} as const;",
            "",
        ]
    )


def build_words() -> str:
    """Return the words of cobrowse frames as a TypeScript module: who needs numbers alone loads none."""
    return "\n".join(
        [
            "// Generated from cobrowse/ops.py by `talknow schema`. Do not edit.",
            f"export const NOTES = {json.dumps(ops.NOTES)} as const;",
            "/** Entries 0 to FIRST_OWN - 1 of every string table. */",
            f"export const STATIC_TABLE: readonly string[] = {json.dumps(ops.STATIC_TABLE)};",
            "",
        ]
    )


def write_schema(path: Path = DEFAULT_PATH) -> None:
    """Write the schema to `path`, opcodes and words to `src/` beside it: same protocol, same bytes."""
    path.write_text(json.dumps(build_schema(), indent=1, ensure_ascii=True) + "\n")
    beside = path.parent / "src"
    beside.mkdir(exist_ok=True)
    (beside / "ops.ts").write_text(build_ops())
    (beside / "words.ts").write_text(build_words())


if __name__ == "__main__":
    write_schema(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_PATH)
