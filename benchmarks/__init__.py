"""Load tests and their harness: `talknow bench NAME`; one file per name. Start with `harness.py`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

NAMES = {
    "chaos": "three nodes that are killed all the time: what was acked and lost, how soon all is back",
    "cobrowse": "what it costs to show a changing page, beside rrweb; streams per core",
    "crowd": "many visitors who only stand there, a thousand chats a second, all back after a node's death",
    "flood": "what calls notice while somebody floods the media port with garbage",
    "growing": "how soon pictures are sharp, how long voice is missing when a third person joins",
    "journey": "chat, click to audio, path replacement, with N calls held",
    "media": "CPU, latency, loss and memory of forwarded packets, beside other servers",
    "navigation": "how long voice is missing when the customer's page changes in mid-call",
    "rebinding": "how long a call is silent when a NAT gives the customer another port",
    "slow": "what everybody else notices of readers who stop reading",
    "soak": "what a server keeps of people who came and went: memory, tasks, descriptors",
}


def run(name: str, arguments: list[str]) -> int:
    """Run one load test, or `compare BEFORE AFTER`; returns the exit code."""
    if name == "compare" and len(arguments) == 2:
        from benchmarks.harness import compare, console, read

        console.print(compare(read(Path(arguments[0])), read(Path(arguments[1]))))
        return 0
    if name not in NAMES:
        known = "\n".join(f"  {known:10} {about}" for known, about in NAMES.items())
        print(
            f"talknow bench: no load test {name!r}; there are\n{known}\n  compare    BEFORE AFTER",
            file=sys.stderr,
        )
        return 2
    module = importlib.import_module(f"benchmarks.{name}")
    code: int = module.main(arguments)
    return code
