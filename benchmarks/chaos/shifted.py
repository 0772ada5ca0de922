"""`talknow` with a wall clock that goes wrong: SIGUSR1 puts it STEP_S ahead, SIGUSR2 back.

Run as a program by nodes.py, where the clocks of nodes are to be shifted.
"""

from __future__ import annotations

import signal
import sys
import time

from server import __main__ as talknow

STEP_S = 10
_true_ns = time.time_ns
_shift_s = 0


def shift(number: int, _: object) -> None:
    global _shift_s
    _shift_s += STEP_S if number == signal.SIGUSR1 else -STEP_S


def time_ns() -> int:
    return _true_ns() + _shift_s * 1_000_000_000


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, shift)
    signal.signal(signal.SIGUSR2, shift)
    time.time_ns = time_ns
    time.time = lambda: time_ns() / 1e9
    sys.exit(talknow.main(sys.argv[1:]))
