"""What carries voice and video: one UDP port, ICE-lite, DTLS, SRTP, and a route table. Never a decoder.

A *leg* is a participant's place in a call; a *path* is one peer connection that carries it just now.
Start here: `node.py` (the facade the server uses), `mux.py` (the port), `path.py` (one transport),
`leg.py` (paths of a leg), `plane.py` (who gets whose packets). Parsers are total: a datagram becomes a
value or a counted drop (`guard.py`, `rtp.py`, `feedback.py`, `sdp.py`). aiortc lives in here only.
"""
