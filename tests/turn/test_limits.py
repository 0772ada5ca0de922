"""What the TURN sample refuses: every special range as a peer, and everybody our server did not send."""

from __future__ import annotations

import secrets
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.server_process import ROOT
from tests.turn.client import FORBIDDEN, OK, QUOTA, UNAUTHORIZED, TurnClient
from tests.turn.conftest import SECRET, Turn

# First and last address of each block in IANA's special-purpose registries, and of multicast.
SPECIAL_4 = {
    "this network": ("0.0.0.0", "0.255.255.255"),
    "private 10": ("10.0.0.0", "10.255.255.255"),
    "shared": ("100.64.0.0", "100.127.255.255"),
    "loopback": ("127.0.0.1", "127.255.255.255"),
    "link local": ("169.254.0.1", "169.254.169.254", "169.254.255.255"),
    "private 172": ("172.16.0.0", "172.31.255.255"),
    "protocol assignments": ("192.0.0.1", "192.0.0.255"),
    "documentation 1": ("192.0.2.0", "192.0.2.255"),
    "as112": ("192.31.196.0", "192.175.48.255"),
    "amt": ("192.52.193.0", "192.52.193.255"),
    "6to4 anycast": ("192.88.99.1", "192.88.99.255"),
    "private 192": ("192.168.0.0", "192.168.255.255"),
    "benchmarking": ("198.18.0.0", "198.19.255.255"),
    "documentation 2": ("198.51.100.0", "198.51.100.255"),
    "documentation 3": ("203.0.113.0", "203.0.113.255"),
    "multicast": ("224.0.0.1", "239.255.255.255"),
    "reserved": ("240.0.0.0", "255.255.255.254"),
    "broadcast": ("255.255.255.255",),
}
SPECIAL_6 = {
    "unspecified": ("::",),
    "loopback": ("::1",),
    "compatible": ("::7f00:1", "::ffff:ffff"),
    "mapped": ("::ffff:0.0.0.0", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"),
    "mapped, public": ("::ffff:8.8.8.8", "::ffff:255.255.255.255"),
    "translated": ("::ffff:0:127.0.0.1",),
    "nat64": ("64:ff9b::", "64:ff9b::7f00:1", "64:ff9b::ffff:ffff"),
    "local nat64": ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"),
    "discard": ("100::", "100::ffff:ffff:ffff:ffff"),
    "dummy": ("100:0:0:1::", "100:0:0:1:ffff:ffff:ffff:ffff"),
    "teredo": ("2001::1", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff"),
    "protocol assignments": ("2001:2::1", "2001:20::1", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"),
    "documentation": ("2001:db8::1", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "3fff::1", "3fff:fff::1"),
    "6to4": ("2002:7f00:1::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    "as112": ("2620:4f:8000::1",),
    "segment routing": ("5f00::1", "5f00:ffff::1"),
    "unique local": ("fc00::1", "fd00::2", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    "link local": ("fe80::1", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    "site local": ("fec0::1", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    "multicast": ("ff02::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
}

# The neighbours of those blocks that are anybody's.
PUBLIC_4 = (
    *("1.0.0.0", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255"),
    *(
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.0.3.0",
    ),
    *("192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "203.0.112.255", "223.255.255.255"),
)
PUBLIC_6 = (
    "64:ff9a::1",
    "2001:200::1",
    "2001:db9::1",
    "2003::1",
    "2606:4700::1111",
    "2a00:1450::1",
    "3ffe::1",
)


def somebody() -> str:
    """A participant of its own, so that no test meets another's quota."""
    return f"l_{secrets.token_hex(4)}"


@pytest.mark.parametrize("name", SPECIAL_4)
def test_no_special_range_of_ipv4_can_be_reached(turn: Turn, name: str) -> None:
    own = {turn.media}
    with turn.client(somebody()) as client:
        assert client.allocate() == OK
        for host in set(SPECIAL_4[name]) - own:
            assert client.permit(host) == FORBIDDEN, host
            assert client.bind_channel(host) == FORBIDDEN, host


@pytest.mark.parametrize("name", SPECIAL_6)
def test_no_special_range_of_ipv6_can_be_reached(turn: Turn, name: str) -> None:
    with turn.client(somebody()) as client:
        assert client.allocate(six=True) == OK
        for host in SPECIAL_6[name]:
            assert client.permit(host) == FORBIDDEN, host
            assert client.bind_channel(host) == FORBIDDEN, host


def test_a_mapped_address_is_no_way_round_for_an_ipv4_allocation(turn: Turn) -> None:
    with turn.client(somebody()) as client:
        assert client.allocate() == OK
        for hosts in SPECIAL_6.values():
            for host in hosts:
                assert client.permit(host) >= 400, host


def test_the_media_server_and_public_addresses_can_be_reached(turn: Turn) -> None:
    """Permissions alone: nothing is sent there. Without this, a server that refuses all would pass."""
    with turn.client(somebody()) as client:
        assert client.allocate() == OK
        for host in (turn.media, *PUBLIC_4):
            assert client.permit(host) == OK, host
    with turn.client(somebody()) as client:
        assert client.allocate(six=True) == OK
        for host in PUBLIC_6:
            assert client.permit(host) == OK, host


def test_what_is_sent_without_a_permission_does_not_arrive(turn: Turn) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inside, turn.client(somebody()) as client:
        inside.bind(("127.0.0.1", 0))
        inside.settimeout(0.3)
        assert client.allocate() == OK
        assert client.permit("127.0.0.1") == FORBIDDEN
        client.send_to("127.0.0.1", inside.getsockname()[1], b"into the network")
        assert client.refresh() == OK  # it was read before this answer was written
        with pytest.raises(TimeoutError):
            inside.recv(100)


def test_an_expired_credential_is_refused(turn: Turn) -> None:
    with turn.client(somebody(), now_s=time.time() - 301) as client:
        assert client.allocate() == UNAUTHORIZED


@pytest.mark.parametrize("forged", ["password", "username", "life", "none"])
def test_a_forged_credential_is_refused(turn: Turn, forged: str) -> None:
    with turn.client(somebody()) as client:
        if forged == "password":
            client._password = "A" + client._password[1:-2] + "B="
        elif forged == "username":
            client._username += "x"
        elif forged == "life":
            client._username = f"{int(time.time()) + 86_400}:{client._username.partition(':')[2]}"
        else:
            client._username = client._password = ""
        assert client.allocate() == UNAUTHORIZED


def test_a_call_outlives_the_credential_it_began_with(turn: Turn) -> None:
    """The credential opens the door for five minutes; the allocation is refreshed while the call lasts."""
    who = somebody()
    with turn.client(who, ttl_s=2) as client:
        assert client.allocate() == OK
        time.sleep(3.1)
        assert client.refresh() == OK
        assert client.permit(turn.media) == OK
    with turn.client(who, now_s=time.time() - 3, ttl_s=2) as late:
        assert late.allocate() == UNAUTHORIZED


def test_one_participant_has_twelve_allocations(turn: Turn) -> None:
    who = somebody()
    clients: list[TurnClient] = []
    try:
        for number in range(13):
            # each credential is of another second, as browsers get them; the quota is the participant's
            client = turn.client(who, now_s=time.time() + number)
            clients.append(client)
            assert client.allocate() == (OK if number < 12 else QUOTA), number
    finally:
        for client in clients:
            client.refresh(0)
            client._socket.close()


@pytest.mark.parametrize("secret", ["", "short"])
def test_no_start_without_a_secret_that_is_one(secret: str) -> None:
    done = subprocess.run(
        [ROOT / "deploy/coturn/start"],
        env={"PATH": "/usr/bin:/bin", "TALKNOW_TURN_SECRET": secret},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 78
    assert "TALKNOW_TURN_SECRET" in done.stderr


def test_the_secret_may_lie_in_a_file_and_stays_private(tmp_path: Path) -> None:
    """A `turnserver` that ends at once stands in: what it was started with is what matters."""
    fake = tmp_path / "turnserver"
    fake.write_text('#!/bin/sh\necho "$@"\nenv\n')
    fake.chmod(0o755)
    (tmp_path / "secret").write_text(SECRET + "\n")
    done = subprocess.run(
        [ROOT / "deploy/coturn/start", "external-ip=198.51.100.7"],
        env={
            "PATH": f"{tmp_path}:/usr/bin:/bin",
            "TALKNOW_TURN_SECRET_FILE": str(tmp_path / "secret"),
            "RUNTIME_DIRECTORY": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    written = tmp_path / "turnserver.conf"
    assert SECRET not in done.stdout
    assert written.stat().st_mode & 0o077 == 0
    assert f"static-auth-secret={SECRET}\n" in written.read_text()
    assert written.read_text().endswith("external-ip=198.51.100.7\n")
