"""Promises about the repository itself: words, budgets, locks, version floors, generated files."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PACKAGES = ("signaling", "cobrowse", "media", "server", "benchmarks")
MAX_LINES = 500
MAX_FUNCTION_LINES = 60
AVOIDED = re.compile(r"\b(conversations?|operators?|masters?|slaves?|redact(ed|s|ion)?)\b", re.IGNORECASE)
REGISTRY = re.compile(r"https?://|registry\.|files\.pythonhosted|--index-url|--extra-index|--find-links")

FLOORS = {
    "aiohttp": "3.14.3",
    "python-socketio": "5.16.3",
    "python-engineio": "4.13.2",
    "aiortc": "1.16.0",
    "aioice": "0.13.0",
    "PyJWT": "2.13.0",
    "pyOpenSSL": "26.0.0",
    "cryptography": "50",
    "av": "17",
    "msgpack": "1.2",
}


def tracked(*patterns: str) -> list[Path]:
    out = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in out.stdout.splitlines() if (ROOT / name).is_file()]


def python_files() -> list[Path]:
    return [
        p
        for p in tracked("*.py")
        if p.relative_to(ROOT).parts[0] in PACKAGES and "versions" not in p.relative_to(ROOT).parts
    ]


def test_the_glossary_words_are_kept() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in [
            *python_files(),
            *tracked("web_client/packages/*/src/*.ts", "web_client/packages/*/src/*.tsx"),
        ]
        for number, line in enumerate(path.read_text().splitlines(), 1)
        # SVG's feComposite has an attribute of that name, redis-py's Sentinel a method.
        if AVOIDED.search(line.replace("stddeviation operator", "").replace("master_for", ""))
    ]
    assert not found, "\n".join(found)


def test_no_file_is_a_crowded_room() -> None:
    patterns = ("*.py", "*.ts", "*.tsx", "*.css")
    sizes = {p.relative_to(ROOT): len(p.read_text().splitlines()) for p in tracked(*patterns)}
    crowded = {str(p): n for p, n in sizes.items() if n > MAX_LINES and p.name != "generated.ts"}
    assert not crowded


def test_functions_fit_on_a_screen() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in python_files()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno >= MAX_FUNCTION_LINES
    ]
    assert not long


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(p.relative_to(ROOT)) for p in python_files() if not ast.get_docstring(ast.parse(p.read_text()))
    ]
    assert not silent


def test_lock_files_name_no_registry() -> None:
    locks = [*tracked("requirements/*.lock"), ROOT / "web_client/package-lock.json"]
    assert len(locks) == 4
    for lock in locks:
        lines = [line for line in lock.read_text().splitlines() if REGISTRY.search(line)]
        named = [line for line in lines if '"url": "' not in line]  # funding pages are not registries
        assert not named, f"{lock.name}: {named[:3]}"


@pytest.mark.parametrize(("package", "floor"), FLOORS.items())
def test_dependencies_stand_above_their_security_floor(package: str, floor: str) -> None:
    assert Version(version(package)) >= Version(floor)


def test_generated_types_are_up_to_date(tmp_path: Path) -> None:
    target = tmp_path / "schema.json"
    subprocess.run([sys.executable, "-m", "server", "schema", "--output", str(target)], cwd=ROOT, check=True)
    checked_in = ROOT / "web_client/packages/protocol/schema.json"
    assert target.read_text() == checked_in.read_text(), "run: make schema"
    for name in ("ops.ts", "words.ts"):
        made, kept = tmp_path / "src" / name, ROOT / "web_client/packages/protocol/src" / name
        assert made.read_text() == kept.read_text(), "run: make schema"


def test_errors_have_distinct_meaning_and_a_code() -> None:
    from signaling import errors

    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, errors.TalkError)]
    assert len(kinds) > 20
    for kind in kinds:
        assert re.fullmatch(r"[a-z_]+", kind.code)
        assert kind.public.endswith(".")


def test_no_secret_or_content_reaches_the_log_calls() -> None:
    """Log calls take a constant message; content never appears among their arguments."""
    forbidden = {"text", "sdp", "token", "credential", "password", "body", "html"}
    found = []
    for path in python_files():
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "logger"
            ):
                names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
                if names & forbidden or (node.args and not isinstance(node.args[0], ast.Constant)):
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not found
