"""The shared page, pure: what frames may say, mirror, second look, streams, gate, credit, control.

No socket, clock or randomness here; its socket is `server/edge/cobrowse_socket.py`, recorder and viewer are
`web_client/packages/cobrowse`. Start with `ops.py` (the opcodes as data) beside docs/cobrowse_wire.md, then
`stream.py` (a frame's way), `mirror.py` and `scenery.py` (what it changes), `masking.py` (what may not pass).
"""
