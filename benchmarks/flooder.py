"""Garbage for a media port, as a process of its own: `python -m benchmarks.flooder HOST PORT`.

Every class of datagram (RFC 7983), forged checks too, from 64 sockets, after one datagram each from more
sources than the guard remembers. It prints how many it sent.
"""

from __future__ import annotations

import argparse
import random
import socket
import time

SOURCES = 6_000
SOCKETS = 64
BATCH = 256
PAUSE_S = 0.002
FIRST_BYTES = bytes((0, 1, 20, 22, 23, 64, 128, 144, 191, 255))
CHECK = b"\x00\x01\x00\x00\x21\x12\xa4\x42"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--datagrams", type=int, help="so many and no more")
    parser.add_argument("--seconds", type=float, default=3_600.0)
    options = parser.parse_args()
    server = (options.host, options.port)
    many_sources(server)
    source = random.Random(7)
    garbage = [
        bytes([source.choice(FIRST_BYTES)]) + source.randbytes(source.randrange(0, 400)) for _ in range(997)
    ]
    garbage += [CHECK + source.randbytes(12) for _ in range(200)]
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(SOCKETS)]
    end_s, sent = time.monotonic() + options.seconds, 0
    while time.monotonic() < end_s and (options.datagrams is None or sent < options.datagrams):
        for number in range(sent, sent + BATCH):
            sockets[number % SOCKETS].sendto(garbage[number % len(garbage)], server)
        sent += BATCH
        time.sleep(PAUSE_S)
    print(sent)


def many_sources(server: tuple[str, int]) -> None:
    for number in range(SOURCES):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.bind((f"127.0.{number // 200}.{number % 200 + 1}", 0))
            one.sendto(b"\x80" * 40, server)


if __name__ == "__main__":
    main()
