"""Compiles our C at run time (gcc) and calls it: the generator, and whatever else must not be Python.

libsrtp is not linked: its functions go in by address from pylibsrtp, whose build is on OpenSSL, so every
program measures with the same cipher code.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from pylibsrtp._binding import ffi, lib

HERE = Path(__file__).parent


class NoCompiler(Exception):
    """gcc is not here; the text says what installs it."""


def build(name: str) -> Path:
    """The shared object of `name`.c, compiled unless that very text was before. Raises: NoCompiler."""
    source = HERE / f"{name}.c"
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "talknow"
    found = cache / f"{name}-{digest}.so"
    if not found.exists():
        if shutil.which("gcc") is None:
            raise NoCompiler("the packet generator is C and needs gcc: run `make bench-peers`")
        cache.mkdir(parents=True, exist_ok=True)
        fresh = found.with_suffix(f".{os.getpid()}")
        command = [
            "gcc",
            "-O2",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-shared",
            "-fPIC",
            "-o",
            str(fresh),
            str(source),
        ]
        subprocess.run(command, check=True)
        fresh.replace(found)
    return found


def srtp_functions() -> tuple[int, int]:
    """Addresses of srtp_protect and srtp_unprotect."""
    return tuple(
        int(ffi.cast("uintptr_t", ffi.addressof(lib, f"srtp_{name}"))) for name in ("protect", "unprotect")
    )  # type: ignore[return-value]


def address(handle: Any) -> int:
    """A libsrtp context as a number."""
    return int(ffi.cast("uintptr_t", handle))


class CMedia(ctypes.Structure):
    """struct media of blast.c."""

    _fields_ = [
        *((name, ctypes.c_int) for name in ("payload_type", "packets", "frames", "twcc", "step")),
        ("data", ctypes.c_char_p),
        ("offset", ctypes.c_void_p),
        ("frame", ctypes.c_void_p),
        ("period_ns", ctypes.c_uint64),
    ]


TOTALS = (
    "sent",
    "received",
    "counted",
    "matched",
    "compared",
    "bad",
    "unmatched",
    "twice",
    "refused",
    "late",
)


class CTotals(ctypes.Structure):
    """struct totals of blast.c."""

    _fields_ = [(name, ctypes.c_uint64) for name in TOTALS]


def load_blast() -> ctypes.CDLL:
    """blast.c with its argument types."""
    blast = ctypes.CDLL(str(build("blast")))
    p, i = ctypes.c_void_p, ctypes.c_int
    for name, result, arguments in (
        ("new", p, [p, p, i]),
        ("free", None, [p]),
        ("media", None, [p, i, ctypes.POINTER(CMedia)]),
        ("leg", i, [p, i, i, p, p]),
        ("flow", None, [p, i, i, ctypes.c_uint32, i]),
        ("run", None, [p, ctypes.c_double, i, i]),
        ("totals", None, [p, ctypes.POINTER(CTotals)]),
        ("latency_us", ctypes.c_double, [p, ctypes.c_double]),
    ):
        function = getattr(blast, f"blast_{name}")
        function.restype, function.argtypes = result, arguments
    return blast
