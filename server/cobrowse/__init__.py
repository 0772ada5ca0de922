"""The shared page on its way: rooms with streams and viewers, tokens, pictures, recordings.

Start with `node.py` (what the service and the edge call), then `room.py` (a frame's way from a tab to the
viewers). What a frame may say is decided in the package `cobrowse`, who may look in `signaling`; nothing
here decides either.
"""
