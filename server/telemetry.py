"""Metrics and logs of a node. Logs are ids and codes by allow-list; content has no way into them."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

# Attributes that a log call may add; anything else is dropped.
ALLOWED = (
    "actor",
    "engagement",
    "participant",
    "leg",
    "path",
    "node",
    "code",
    "reason",
    "effect",
    "to",
    "site",
    "count",
    "port",
    "address",
)
QUIET = (
    "psycopg",
    "engineio",
    "socketio",
    "aiohttp.access",
    "aiortc",
    "aioice",
    "asyncio",
    "alembic",
    "sqlalchemy",
)


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time, level, logger, message, allowed fields, exception type."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update({key: getattr(record, key) for key in ALLOWED if hasattr(record, key)})
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            line["error"] = type(error).__name__
            frame = error.__traceback__
            while frame is not None and frame.tb_next is not None:
                frame = frame.tb_next
            if frame is not None:
                line["at"] = f"{frame.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{frame.tb_lineno}"
        return json.dumps(line)


def setup_logging(level: str) -> None:
    """To stderr. Library loggers that print payloads are pinned to ERROR."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)


class Metrics:
    """What `/metrics` shows. Registry per node, so that tests may have several."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.connections = Gauge("talknow_connections", "Open connections", ["role"], registry=self.registry)
        self.commands = Counter(
            "talknow_commands_total", "Commands by answer", ["command", "code"], registry=self.registry
        )
        self.ack_seconds = Histogram(
            "talknow_ack_seconds",
            "From command to its ack",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5),
            registry=self.registry,
        )
        self.refused = Counter(
            "talknow_refused_total", "Connections and requests refused", ["reason"], registry=self.registry
        )

    def watch(self, name: str, about: str, read: Callable[[], float]) -> None:
        """A gauge that is read when somebody looks."""
        Gauge(name, about, registry=self.registry).set_function(read)

    def render(self, media: Mapping[str, int]) -> bytes:
        lines = ["# HELP media_drop_total Datagrams and packets dropped", "# TYPE media_drop_total counter"]
        lines += [f'media_drop_total{{reason="{reason}"}} {count}' for reason, count in sorted(media.items())]
        return generate_latest(self.registry) + ("\n".join(lines) + "\n").encode()
