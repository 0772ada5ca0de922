"""What Talk Now decides, and nothing else: pure functions and frozen Structs.

No asyncio, no sockets, no clock, no randomness; msgspec is the only import from outside.
Start here: `protocol.py` (what travels), `events.py` and `effects.py` (what
can happen, what may be ordered),
then the tables in `engagement.py` (one engagement) and `routing.py` (one site's queue),
`roles.py` (who hears and sees whom), `timeline.py` (what a reader is shown), `errors.py`.
"""
