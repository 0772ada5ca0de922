"""The only I/O shell: what reads sockets, disks and clocks, and executes what `signaling` orders.

Start here: `node.py` (what is started, in which order it ends), `service.py` (the facade that the
edge calls), `hub.py` (mailboxes: step, append, effects), `effects.py` (one function per order).
`edge/` is what a stranger can reach, `backend/` where state is kept, `records/` accounts and files.
"""
