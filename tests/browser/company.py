"""A company with pages on several origins, whose answers can be held back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.browser.conftest import Agent, Browsers, Customer
from tests.server_process import Server, free_block, start

SITE = "bench"
HOLD_S = 20.0


@dataclass
class Company:
    """`origins`: its servers. Pages are named by their path; `/slow…` waits in mid-page for `go_on`."""

    origins: list[str]
    server: str = ""
    waiting: threading.Event = field(default_factory=threading.Event)
    goes_on: threading.Event = field(default_factory=threading.Event)

    def go_on(self) -> None:
        self.goes_on.set()

    def head(self, path: str) -> str:
        snippet = f'<script src="{self.server}/talknow.js" data-site="{SITE}"></script>'
        if path.startswith("/foreign"):
            snippet = ""
        return f"<!doctype html><html lang=en><head><meta charset=utf-8><title>{path}</title>{snippet}</head>"

    def body(self, path: str) -> str:
        return (
            f'<body><h1>This is {path}</h1><p><a id="next" href="/next">Next</a> '
            '<a id="tab" href="/tab" target="_blank">In a tab</a></p>'
            "<p>Private: <span data-talknow-mask>my-secret</span></p></body></html>"
        )


def handler(company: Company) -> type[BaseHTTPRequestHandler]:
    class Pages(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            if url.path == "/go":
                self.send_response(302)
                self.send_header("Location", parse_qs(url.query)["to"][0])
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(200 if url.path != "/favicon.ico" else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Connection", "close")
            self.end_headers()
            if url.path.startswith("/slow"):
                # Enough for the browser to leave the page before; then nothing for a while.
                self.wfile.write(b"<!doctype html><html lang=en>" + b"<!-- -->" * 1_024)
                self.wfile.flush()
                company.waiting.set()
                company.goes_on.wait(HOLD_S)
            self.wfile.write((company.head(url.path) + company.body(url.path)).encode())

        def log_message(self, *_: object) -> None:
            return

    return Pages


@contextmanager
def company(count: int) -> Iterator[Company]:
    made = Company([])
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler(made)) for _ in range(count)]
    made.origins = [f"http://127.0.0.1:{server.server_port}" for server in servers]
    for server in servers:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield made
    finally:
        made.go_on()
        for server in servers:
            server.shutdown()
            server.server_close()


@contextmanager
def serving(made: Company, data: Path, rules: str = "") -> Iterator[Server]:
    """A server for that company's pages. rules: lines of `[sites.bench.cobrowse]`."""
    origins = ", ".join(f'"{origin}"' for origin in made.origins)
    config = data / "talknow.toml"
    config.write_text(
        f'[sites.{SITE}]\nname = "Company"\norigins = [{origins}]\n[sites.{SITE}.cobrowse]\n{rules}\n'
    )
    port = free_block()
    made.server = f"http://127.0.0.1:{port}"
    running = start(data, "--config", str(config), port=port)
    try:
        yield running
    finally:
        assert running.stop() == 0
    assert "Traceback" not in running.log
    assert '"level": "ERROR"' not in running.log, running.log


def chat_at(browsers: Browsers, server: Server, url: str) -> tuple[Customer, Agent]:
    """A customer on that page who wrote, and the agent who took it."""
    agent = Agent(browsers.opened.page(browsers.agent), server, "tess", "Tess Lund", site=SITE)
    customer = Customer(browsers.opened.page(browsers.visitor), server, url=url)
    customer.open()
    customer.say("Hello, may I ask something?")
    agent.accept()
    return customer, agent
