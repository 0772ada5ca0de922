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


def write_schema(path: Path = DEFAULT_PATH) -> None:
    """Write the schema to `path`, the same bytes for the same protocol."""
    path.write_text(json.dumps(build_schema(), indent=1, ensure_ascii=True) + "\n")


if __name__ == "__main__":
    write_schema(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_PATH)
