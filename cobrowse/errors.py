"""The faults of a stream, under the one exception tree (signaling/errors.py).

    PeerError
    |- InvalidDiff       a frame that cannot be: wrong shape, unknown op or node (`invalid_diff`)
    |  `- PageTooBig     more of a page than a stream may hold: bytes, nodes, depth, a text (`page_too_big`)
    `- ResyncRequired    a frame is missing before this one (`resync_required`)

All are answered by asking the recorder for a snapshot; what viewers have stays.
"""

from __future__ import annotations

from signaling.errors import PeerError


class InvalidDiff(PeerError):
    code = "invalid_diff"
    public = "The frame could not be used; a snapshot is needed."


class PageTooBig(InvalidDiff):
    code = "page_too_big"
    public = "The page is too big to be shown."


class ResyncRequired(PeerError):
    code = "resync_required"
    public = "A frame is missing; a snapshot is needed."
