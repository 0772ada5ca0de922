"""Our server without the second look at shared pages: what the look costs is the difference.

`python -m benchmarks.peers.unchecked serve …`: as `talknow serve`. The real server has no such switch.
"""

from __future__ import annotations

import sys

from cobrowse import stream
from cobrowse.masking import Checker
from cobrowse.mirror import Mirror


def unchecked(_: Checker | None = None) -> Mirror:
    return Mirror(None)


if __name__ == "__main__":
    stream.Mirror = unchecked  # type: ignore[misc, assignment]
    from server.__main__ import main

    sys.exit(main())
