"""The command line: accounts, doctor, migrate, and a server that starts fast, ends fast, keeps all."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from server.__main__ import main
from tests.server_process import ROOT, start, talknow


def test_accounts_are_made_listed_and_changed(tmp_path: Path) -> None:
    account = ("--data", str(tmp_path), "--login", "tess")
    talknow("agent", "add", *account, "--name", "Tess", "--password-stdin", text="long enough one\n")
    assert "Tess" in talknow("agent", "list", "--data", str(tmp_path))
    talknow("agent", "passwd", *account, "--password-stdin", text="another long one\n")


@pytest.mark.parametrize(
    ("extra", "password"),
    [(("--login", "tess", "--name", "T"), "short"), (("--login", "tess", "--name", "T"), "")],
)
def test_a_short_password_is_refused_in_words(
    tmp_path: Path,
    extra: tuple[str, ...],
    password: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO(password))
    assert main(["agent", "add", "--data", str(tmp_path), *extra, "--password-stdin"]) == 1
    assert "at least 10 characters" in capsys.readouterr().err


def test_the_doctor_says_what_works_and_what_to_change(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["doctor", "--data", str(tmp_path)])
    said = capsys.readouterr().out
    for word in ("microphones", "UDP port 8080", "TURN", "data directory", "->"):
        assert word in said


def test_the_doctor_finds_plain_http_off_loopback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", "--data", str(tmp_path), "--host", "0.0.0.0", "--insecure-http"])
    assert code == 1
    assert "browsers refuse them" in capsys.readouterr().out


def test_migrate_says_what_it_did(tmp_path: Path) -> None:
    assert "upgraded" in talknow("migrate", "--data", str(tmp_path))
    assert "already there" in talknow("migrate", "--data", str(tmp_path))


def test_a_second_start_keeps_the_demo_login_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    first = start(tmp_path, "--demo")
    login = next(line for line in first.log.splitlines() if "demo agent" in line)
    first.process.send_signal(signal.SIGINT)
    assert first.process.wait(5) == 0
    began = time.monotonic()
    second = start(tmp_path, "--demo", port=first.port)
    assert time.monotonic() - began < 10  # the promise of 3 s is measured, not tested, on a busy machine
    assert second.log.splitlines().count(login) == 2
    assert second.stop() == 0


def test_a_taken_port_is_told_in_words(tmp_path: Path) -> None:
    running = start(tmp_path)
    command = [
        sys.executable,
        "-m",
        "server",
        "serve",
        "--port",
        str(running.port),
        "--data",
        str(tmp_path / "b"),
    ]
    second = subprocess.run(command, capture_output=True, text=True, timeout=20)
    running.stop()
    assert second.returncode == 1
    assert "cannot listen" in second.stderr
    assert "Traceback" not in second.stderr


def test_keys_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    """A directory in the key's place: whoever runs the tests as root may read every file."""
    key = tmp_path / "keys/content.key"
    key.mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-m", "server", "serve", "--port", "0", "--data", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert (done.returncode, done.stderr) == (1, f"talknow: [Errno 21] Is a directory: '{key}'\n")
