"""Address globs of a site's rules.

`*` is anything but `/`, `**` anything; matched against path and whole address.

The recorder has the same (`recorder/policy.ts`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import urlsplit


@lru_cache(maxsize=256)
def _pattern(glob: str) -> re.Pattern[str]:
    parts = ("[^/]*".join(re.escape(text) for text in part.split("*")) for part in glob.split("**"))
    return re.compile(".*".join(parts))


def matches(globs: Sequence[str], address: str) -> bool:
    """Whether the page at this address is one of those the globs name."""
    url = urlsplit(address)
    tried = (url.path or "/", f"{url.scheme}://{url.netloc}{url.path or '/'}")
    return any(_pattern(glob).fullmatch(text) for glob in globs for text in tried)
