# Talk Now: `make run` starts everything, `make test` tests everything; both install what they need.
SHELL := /bin/bash
PORT ?= 8080
DATA ?= data
MINUTES ?= 5
PY := .venv/bin/python
WEB_SOURCES := $(shell find web_client -path '*/node_modules' -prune -o -type f -print 2>/dev/null)

.PHONY: run setup setup-test test test-fast fuzz lint format web lock schema bench-peers clean

run: setup  ## start the embedded server, the demo company and the softphone
	@exec .venv/bin/talknow serve --demo --port $(PORT) --data $(DATA)

setup: .venv/.run-stamp server/web/.stamp  ## install what running needs (quick when nothing changed)

setup-test: .venv/.dev-stamp server/web/.stamp  ## install what testing needs: Chromium, coturn, Redis, PostgreSQL, nginx
	@scripts/need chromium chromium
	@scripts/need turnserver coturn
	@scripts/need redis-server redis-server
	@scripts/need --postgres postgresql
	@scripts/need nginx nginx
	@scripts/need systemd-analyze systemd
	@scripts/need openssl openssl
	@scripts/need gcc gcc

test: setup-test  ## every suite, each with its minutes
	@scripts/test

test-fast: setup-test  ## leaves out browser and slow tests, and says so
	@scripts/test --fast

fuzz: .venv/.fuzz-stamp  ## MINUTES (5) for each parser of media and cobrowse; corpora in tests/fuzz/corpus
	@nice -n 19 scripts/fuzz $(MINUTES)

lint: .venv/.dev-stamp web_client/node_modules/.stamp
	@scripts/test lint web-lint

format: .venv/.dev-stamp web_client/node_modules/.stamp
	.venv/bin/ruff format . && .venv/bin/ruff check --fix .
	cd web_client && npm run format

web: server/web/.stamp

schema: .venv/.run-stamp web_client/node_modules/.stamp  ## rewrite the generated types
	.venv/bin/talknow schema
	cd web_client && npm run generate

bench-peers: setup  ## what `talknow bench media` needs (gcc) and measures beside us (Janus)
	@scripts/need gcc gcc
	@scripts/need --package libc6-dev
	@scripts/need janus janus

lock: .venv/.dev-stamp
	scripts/lock

clean:  ## forget everything installed or built (data stays)
	rm -rf .venv server/web web_client/node_modules web_client/packages/*/node_modules

.venv/bin/python:
	@scripts/venv

.venv/.run-stamp: requirements/run.lock pyproject.toml | .venv/bin/python
	@echo "installing Python packages (locked versions, hashes checked) ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.lock
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev-stamp: requirements/dev.lock .venv/.run-stamp
	@echo "installing what the tests need ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@touch $@

.venv/.fuzz-stamp: requirements/fuzz.lock .venv/.dev-stamp
	@echo "installing the fuzzer ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/fuzz.lock
	@touch $@

# Not `npm ci`: it refuses a lock that lacks the binaries of other platforms, which some registries
# do not serve. `install --no-save` takes the locked versions, checks their hashes, writes no lock.
web_client/node_modules/.stamp: web_client/package.json web_client/package-lock.json
	@echo "installing npm packages ..."
	@cd web_client && npm install --no-save --no-audit --no-fund --loglevel=error
	@touch $@

server/web/.stamp: web_client/node_modules/.stamp $(WEB_SOURCES)
	@echo "building the web client ..."
	@cd web_client && npm run --silent build
	@touch $@
