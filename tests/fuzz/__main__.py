"""Feed one target from atheris: `python -m tests.fuzz TARGET [libFuzzer options] [folders]`.

FUZZ_COMMAND: what libFuzzer shall run for its own child processes (scripts/fuzz sets it).
"""

from __future__ import annotations

import os
import sys

import atheris

with atheris.instrument_imports(include=["media", "signaling", "cobrowse", "server.cobrowse.websocket"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    name = sys.argv.pop(1)
    sys.argv[0] = os.environ.get("FUZZ_COMMAND", sys.argv[0])
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
