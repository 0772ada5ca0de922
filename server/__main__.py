"""The command line: talknow serve | check-config | agent | doctor | schema | migrate | bench NAME | chaos.

Imports are inside the commands, so that each starts as fast as what it needs.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import gc
import getpass
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.config import Config
    from server.records.agents import Agents

EX_CONFIG = 78
LISTENING = (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES)
GC_THRESHOLDS = (50_000, 20, 20)


def main(argv: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if argv is None else argv
    if arguments[:1] == ["bench"]:
        return _bench(arguments[1:])
    if arguments[:1] == ["chaos"]:
        from benchmarks import network

        return network.main(arguments[1:])
    options = _parser().parse_args(arguments)
    command = {
        "serve": _serve,
        "check-config": _check_config,
        "agent": _agent,
        "doctor": _doctor,
        "schema": _schema,
        "migrate": _migrate,
    }[options.command]
    try:
        return command(options)
    except KeyboardInterrupt:
        return 0
    except BaseException as fault:
        if (told := _in_words(_cause(fault))) is None:
            raise
        code, words = told
        print(f"talknow: {words}", file=sys.stderr)
        return code


def _cause(fault: BaseException) -> BaseException:
    """The one fault that a group of groups is about; the group itself when it is about several."""
    while isinstance(fault, BaseExceptionGroup) and len(fault.exceptions) == 1:
        fault = fault.exceptions[0]
    return fault


def _in_words(fault: BaseException) -> tuple[int, str] | None:
    """Exit code and words for what whoever started us can mend."""
    from server.config import ConfigError
    from signaling.errors import BackendUnavailable

    if isinstance(fault, ConfigError):
        return EX_CONFIG, f"configuration: {fault}"
    if isinstance(fault, BackendUnavailable):
        what, *why = map(str, fault.args or ("something",))
        return 1, f"cannot reach {what} ({', '.join(why) or fault.wire_code}). Is it there?"
    if isinstance(fault, OSError) and fault.filename is None and fault.errno in LISTENING:
        return 1, f"cannot listen: {fault}. Is something else on these ports?"
    if isinstance(fault, OSError) and fault.filename is not None:
        return 1, str(fault)
    return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="talknow", description="On-screen customer service, self-hosted.")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="run the server")
    _config_flags(serve)
    check = commands.add_parser("check-config", help="say what is wrong with a configuration")
    _config_flags(check)
    doctor = commands.add_parser("doctor", help="say whether microphones, ports and addresses can work")
    _config_flags(doctor)
    migrate = commands.add_parser("migrate", help="bring the database to this version's schema")
    _store_flags(migrate)
    schema = commands.add_parser("schema", help="write the protocol's JSON Schema")
    schema.add_argument("--output", type=Path)
    _agent_flags(commands.add_parser("agent", help="local accounts of agents"))
    commands.add_parser("bench", help="measure: talknow bench NAME --help")
    commands.add_parser("chaos", help="a bad network before a server: talknow chaos --help")
    return parser


def _config_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--config", type=Path, help="TOML file")
    add("--host")
    add("--port", type=int, help="server and softphone; UDP media port unless --udp-port")
    add("--data", dest="data_dir", type=Path)
    add("--demo", action="store_true", default=None, help="also serve the demo company on port+1")
    add("--udp-port", type=int)
    add("--media-engine", choices=("auto", "fast", "plain"), help="how media is forwarded")
    add("--public-ip", help="address that browsers reach for media")
    add("--public-udp-port", type=int)
    add("--public-url", help="how browsers reach us behind a proxy")
    add("--tls-cert")
    add("--tls-key")
    add("--trusted-proxy", dest="trusted_proxies", action="append")
    add("--insecure-http", action="store_true", default=None)
    add("--database", dest="database_url", metavar="URL", help="PostgreSQL instead of a file in --data")
    add("--redis", dest="redis_url", metavar="URL", help="several nodes: where they find each other")
    add("--keys", dest="keys_dir", type=Path, help="the same keys on every node (default: in --data)")
    add("--link-listen", metavar="HOST:PORT", help="for other nodes (default port+3)")
    add("--link-address", metavar="HOST:PORT", help="how other nodes reach it")
    add("--node-url", metavar="URL", help="how browsers reach this very node")
    add("--bench-token", help="allow load tests that know this token")
    add("--log-level", choices=("DEBUG", "INFO", "WARNING", "ERROR"))


def _agent_flags(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True)
    add = verbs.add_parser("add", help="make an account")
    add.add_argument("--site", default="demo")
    add.add_argument("--login", required=True)
    add.add_argument("--name", required=True, help="as customers see it")
    add.add_argument("--role", default="agent", choices=("agent", "supervisor", "admin"))
    add.add_argument("--capacity", type=int, default=3)
    password = verbs.add_parser("passwd", help="set a new password; ends the account's sessions")
    password.add_argument("--login", required=True)
    verbs.add_parser("list", help="all accounts")
    for verb in verbs.choices.values():
        _store_flags(verb)
    for verb in (add, password):
        verb.add_argument("--password-stdin", action="store_true", help="read the password from stdin")


def _store_flags(parser: argparse.ArgumentParser) -> None:
    """Where accounts and the log are, for commands that start no server."""
    parser.add_argument("--data", dest="data_dir", type=Path)
    parser.add_argument("--database", dest="database_url", metavar="URL")


def _store_of(options: argparse.Namespace) -> Config:
    from server.config import load

    return load(None, {"data_dir": options.data_dir, "database_url": options.database_url})


def _load(options: argparse.Namespace) -> Config:
    from server.config import load

    flags = {k: v for k, v in vars(options).items() if k not in ("command", "config")}
    return load(options.config, flags)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's event loop where it is installed (everywhere but on Windows), else asyncio's."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop  # type: ignore[no-any-return]


def _serve(options: argparse.Namespace) -> int:
    config = _load(options)
    from server.node import serve_until_stopped
    from server.telemetry import setup_logging

    setup_logging(config.log_level)
    login = _demo_agent(config) if config.demo else None
    # What is loaded now stays: young objects alone are looked through, and seldom (docs/media.md).
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serve_until_stopped(config, lambda one: _say_started(one, login), lambda: _load(options)))
    print("talknow: stopped, everything is stored")
    return 0


def _demo_agent(config: Config) -> tuple[str, str] | None:
    """Login and password of the demo agent, made at first start (also of several nodes) and kept."""
    from server.secret_file import secret_file

    kept = secret_file(config.keys / "demo-agent", lambda: f"demo {secrets.token_urlsafe(9)}".encode())
    login, password = kept.decode().split(" ", 1)
    with _accounts(config) as agents, suppress(ValueError):  # it exists
        agents.add(site="demo", login=login, name="Dana Holm", password=password, capacity=3)
    return login, password


def _say_started(config: Config, login: tuple[str, str] | None) -> None:
    lines = []
    if config.demo:
        shown = config.origin.rsplit(":", 1)[0]
        lines.append(f"demo company   {shown}:{config.demo_at}/")
    lines.append(f"softphone      {config.origin}/desk/")
    if login is not None:
        lines.append(f"demo agent     login {login[0]}   password {login[1]}")
    lines.append(f"data           {config.data_dir.resolve()}")
    print("\nTalk Now is running (Ctrl-C stops it)\n  " + "\n  ".join(lines) + "\n", flush=True)


def _check_config(options: argparse.Namespace) -> int:
    config = _load(options)
    sites = ", ".join(config.sites) or "none"
    print(f"configuration is fine: {config.origin}, media UDP {config.media_port}, sites: {sites}")
    return 0


def _agent(options: argparse.Namespace) -> int:
    with _accounts(_store_of(options)) as agents:
        try:
            if options.verb == "list":
                for agent in agents.all():
                    print(
                        f"{agent.login:20} {agent.role:10} {agent.site:12} {agent.capacity:3}  {agent.name}"
                    )
                return 0
            password = _password(options.password_stdin)
            if options.verb == "passwd":
                agents.set_password(options.login, password)
                print(f"new password set for {options.login}")
                return 0
            agents.add(
                site=options.site,
                login=options.login,
                name=options.name,
                password=password,
                role=options.role,
                capacity=options.capacity,
            )
        except ValueError as error:
            print(f"talknow: {error}", file=sys.stderr)
            return 1
    print(f"agent {options.login} can log in at /desk/")
    return 0


@contextmanager
def _accounts(config: Config) -> Iterator[Agents]:
    """The accounts of a configuration's database, migrated if need be."""
    from server.backend.migrate import migrate
    from server.records.agents import Agents
    from server.records.store import Store

    config.data_dir.mkdir(parents=True, exist_ok=True)
    migrate(config.database)
    store = Store(config.database)
    try:
        yield Agents(store)
    finally:
        store.close()


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    first = getpass.getpass("password: ")
    if first != getpass.getpass("again: "):
        raise ValueError("the two passwords differ")
    return first


def _doctor(options: argparse.Namespace) -> int:
    from server.doctor import examine

    return examine(_load(options))


def _migrate(options: argparse.Namespace) -> int:
    from server.backend.migrate import HEAD, migrate

    config = _store_of(options)
    config.data_dir.mkdir(parents=True, exist_ok=True)
    done = migrate(config.database)
    print(f"schema {HEAD}: {'upgraded' if done else 'already there'}")
    return 0


def _schema(options: argparse.Namespace) -> int:
    from server.schema import write_schema

    path = options.output or Path(__file__).parents[1] / "web_client/packages/protocol/schema.json"
    write_schema(path)
    print(f"wrote {path}")
    return 0


def _bench(arguments: list[str]) -> int:
    from benchmarks import NAMES, run

    if not arguments or arguments[0] in ("-h", "--help"):
        print(f"usage: talknow bench NAME [options]     NAME: {' | '.join(NAMES)}")
        return 0 if arguments else 2
    return run(arguments[0], arguments[1:])


if __name__ == "__main__":
    sys.exit(main())
