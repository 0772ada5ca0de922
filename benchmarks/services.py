"""A Redis and a PostgreSQL of our own: private ports, private directories, gone when the context ends.

For tests and load tests. PostgreSQL does not run as root, so root starts it as the user `postgres` that
its package brings. fsync stays on: what is measured is what a deployment has.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from msgspec import Struct

READY_S = 30.0


class ServiceMissing(RuntimeError):
    """The program is not installed; says what to do."""


class Service(Struct):
    """A running server. url: for `talknow serve`."""

    url: str
    port: int
    process: subprocess.Popen[bytes]

    def pause(self) -> None:
        """As when its machine hangs: connections stay, nothing answers."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal_all(signal.SIGCONT)

    def kill(self) -> None:
        """All of it at once, as when its machine dies."""
        self._signal_all(signal.SIGKILL)
        self.process.wait(10)

    def _signal_all(self, number: int) -> None:
        """PostgreSQL's processes are each in a group of their own."""
        parent = self.process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        for pid in (parent, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Redis:
    """`with Redis() as redis`: an empty server; `start` again on the same port after `service.kill()`.

    options: further words of the command line; tls: listen with TLS alone.
    """

    def __init__(self, *options: str, tls: bool = False) -> None:
        self.port = free_port()
        self._options = options
        self._listen = ["--port", "0", "--tls-port", str(self.port)] if tls else ["--port", str(self.port)]
        self._directory = Path(tempfile.mkdtemp(prefix="talknow-redis-"))

    def __enter__(self) -> Service:
        self.service = self.start()
        return self.service

    def start(self) -> Service:
        redis = program("redis-server", "redis-server")
        fixed = [*self._listen, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        process = _run([redis, *fixed, *self._options], self._directory, "redis.log")
        _wait_for_port(self.port, process, self._directory / "redis.log")
        self.service = Service(f"redis://127.0.0.1:{self.port}/0", self.port, process)
        return self.service

    def __exit__(self, *_: object) -> None:
        _end(self.service, signal.SIGTERM)
        shutil.rmtree(self._directory, ignore_errors=True)


class Sentinel:
    """`with Sentinel(name, port) as sentinel`: one that watches the Redis on that port under that name.

    settings: further lines of its file; tls: listen with TLS alone.
    """

    def __init__(self, name: str, port: int, *settings: str, tls: bool = False) -> None:
        self.port = free_port()
        self._directory = Path(tempfile.mkdtemp(prefix="talknow-sentinel-"))
        listen = ["port 0", f"tls-port {self.port}"] if tls else [f"port {self.port}"]
        watch = f"sentinel monitor {name} 127.0.0.1 {port} 1"
        lines = [*listen, "bind 127.0.0.1", watch, *settings, ""]
        (self._directory / "sentinel.conf").write_text("\n".join(lines))

    def __enter__(self) -> Service:
        settings = str(self._directory / "sentinel.conf")
        command = [program("redis-server", "redis-server"), settings, "--sentinel"]
        process = _run(command, self._directory, "sentinel.log")
        _wait_for_port(self.port, process, self._directory / "sentinel.log")
        self.service = Service("", self.port, process)
        return self.service

    def __exit__(self, *_: object) -> None:
        _end(self.service, signal.SIGTERM)
        shutil.rmtree(self._directory, ignore_errors=True)


class Postgres:
    """`with Postgres() as postgres`: an empty database `talknow`; `start` again after a kill."""

    def __init__(self) -> None:
        self.port = free_port()
        self._directory = Path(tempfile.mkdtemp(prefix="talknow-postgres-"))
        self._user = "postgres" if os.geteuid() == 0 else None

    def __enter__(self) -> Service:
        if self._user is not None:
            shutil.chown(self._directory, self._user)
        self._directory.chmod(0o755)
        init = ["--auth=trust", "--username=talknow", "--encoding=UTF8", "--no-locale"]
        made = subprocess.run(
            [_postgres("initdb"), "-D", str(self._directory / "data"), *init],
            user=self._user,
            capture_output=True,
            text=True,
            cwd=self._directory,
        )
        if made.returncode:
            raise RuntimeError(f"initdb: {made.stderr}")
        self.service = self.start()
        subprocess.run(
            [_postgres("createdb"), *self._where, "-U", "talknow", "talknow"], check=True, cwd=self._directory
        )
        return self.service

    @property
    def _where(self) -> list[str]:
        return ["-h", "127.0.0.1", "-p", str(self.port)]

    def start(self) -> Service:
        data = str(self._directory / "data")
        options = ["-c", f"unix_socket_directories={self._directory}", "-c", "max_connections=200"]
        command = [_postgres("postgres"), "-D", data, *self._where, *options]
        process = _run(command, self._directory, "postgres.log", self._user)
        deadline = time.monotonic() + READY_S
        ready = [_postgres("pg_isready"), *self._where, "-q"]
        while subprocess.run(ready, cwd=self._directory, check=False).returncode:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self._directory / "postgres.log").read_text())
            time.sleep(0.05)
        url = f"postgresql://talknow@127.0.0.1:{self.port}/talknow"
        self.service = Service(url, self.port, process)
        return self.service

    def __exit__(self, *_: object) -> None:
        _end(self.service, signal.SIGQUIT)
        shutil.rmtree(self._directory, ignore_errors=True)


def limit_files(process: subprocess.Popen[bytes], most: str) -> None:
    """How long a file may be that the process or one of its children writes: "unlimited", or bytes.

    What would make one longer fails, as on a disk without space.
    """
    if process.poll() is not None:
        return
    parent = process.pid
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    owner = os.stat(f"/proc/{parent}").st_uid
    user = None if owner == os.geteuid() else owner  # root need not be allowed to
    for pid in (str(parent), *children):
        command = [program("prlimit", "util-linux"), "--pid", pid, f"--fsize={most}:"]
        done = subprocess.run(command, user=user, capture_output=True)
        if done.returncode and pid not in children:  # a child may just have ended
            raise RuntimeError(done.stderr.decode())


def end_of_log(url: str) -> int:
    """How far PostgreSQL has got in the file of its write-ahead log, in bytes."""
    with psycopg.connect(url, autocommit=True) as connection:
        where = "SELECT file_offset FROM pg_walfile_name_offset(pg_current_wal_insert_lsn())"
        row = connection.execute(where).fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def both(*redis_options: str) -> Iterator[tuple[Redis, Postgres]]:
    """What several nodes share, started."""
    redis, postgres = Redis(*redis_options), Postgres()
    with postgres, redis:
        yield redis, postgres


def _run(command: list[str], directory: Path, log: str, user: str | None = None) -> subprocess.Popen[bytes]:
    with (directory / log).open("ab") as out:
        return subprocess.Popen(
            command, cwd=directory, stdout=out, stderr=out, user=user, start_new_session=True
        )


def _end(service: Service, number: int) -> None:
    if service.process.poll() is None:
        service.resume()
        service.process.send_signal(number)
        service.process.wait(10)


def _wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text()) from None
            time.sleep(0.02)


def program(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ServiceMissing(f"{name} is not installed: apt-get install {package}")
    return found


def _postgres(name: str) -> str:
    """A program of the newest PostgreSQL; Debian keeps them out of the path."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda p: int(p.parts[4]))
    return str(versions[-1]) if versions else program(name, "postgresql")
