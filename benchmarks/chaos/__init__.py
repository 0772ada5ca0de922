"""`talknow bench chaos`: three nodes that are killed all the time, people who write and talk, and a judge.

It starts its own Redis, PostgreSQL and nodes. Writers chat and send again what was not acked, callers hear
each other's tone; a nemesis with a seed kills nodes (`--also`: stops them, empties Redis, restarts Redis and
PostgreSQL). Afterwards `checker.py`, which knows nothing of the server, judges what everybody recorded.
Rows: `chaos.acked`, `chaos.lost`, `chaos.duplicated`, `chaos.reordered`, `chaos.foreign`,
`chaos.signaling_back_ms`, `chaos.audio_back_ms`. Start reading at `run.py`.
"""

from benchmarks.chaos.run import main

__all__ = ["main"]
