"""The process around bound.c: keys and addresses come as one JSON line, then it only forwards.

In: {"keys": [[in, out], ...] in hex per leg, "ports": [of each leg]}. Out: its own port, then "ready".
"""

from __future__ import annotations

import ctypes
import json
import socket
import struct
import sys

from pylibsrtp import Policy, Session

from benchmarks.peers import native


def session(key: str, *, inbound: bool) -> Session:
    """An AES-128-GCM context with a replay window as the server's."""
    kind = Policy.SSRC_ANY_INBOUND if inbound else Policy.SSRC_ANY_OUTBOUND
    profile = Policy.SRTP_PROFILE_AEAD_AES_128_GCM
    policy = Policy(key=bytes.fromhex(key), ssrc_type=kind, srtp_profile=profile)
    policy.window_size = 1_024
    return Session(policy)


def main() -> None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    sock.bind(("127.0.0.1", 0))
    print(sock.getsockname()[1], flush=True)
    asked = json.loads(sys.stdin.readline())
    legs = [(session(a, inbound=True), session(b, inbound=False)) for a, b in asked["keys"]]
    by_port = (ctypes.c_uint16 * 65_536)()
    addresses = bytearray()
    for number, port in enumerate(asked["ports"]):
        by_port[socket.htons(port)] = number + 1
        addresses += struct.pack("=H", socket.AF_INET) + struct.pack(
            "!H4s8x", port, socket.inet_aton("127.0.0.1")
        )
    pointers = [
        (ctypes.c_void_p * len(legs))(*(native.address(leg[side]._srtp[0]) for leg in legs))
        for side in (0, 1)
    ]
    library = ctypes.CDLL(str(native.build("bound")))
    protect, unprotect = (ctypes.c_void_p(at) for at in native.srtp_functions())
    place = (ctypes.c_char * len(addresses)).from_buffer(addresses)
    print("ready", flush=True)
    library.bound_run(sock.fileno(), protect, unprotect, by_port, place, *pointers)


if __name__ == "__main__":
    main()
