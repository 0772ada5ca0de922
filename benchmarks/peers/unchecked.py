"""Our server without the second look at shared pages: what the look costs is the difference.

`python -m benchmarks.peers.unchecked serve …`: as `talknow serve`. The real server has no such switch.
"""

from __future__ import annotations

import sys

import cobrowse.stream
from cobrowse.masking import Checker
from cobrowse.mirror import Mirror


class Unchecked(Mirror):
    """A mirror that forgets its checker."""

    def __init__(self, checker: Checker | None = None) -> None:
        super().__init__(None)


if __name__ == "__main__":
    cobrowse.stream.Mirror = Unchecked  # type: ignore[attr-defined]
    from server.__main__ import main

    sys.exit(main())
