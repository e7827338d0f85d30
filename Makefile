# Every command of the project; `make` alone lists them. How the C is built stands in scripts/build.mk.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

include scripts/build.mk

.SECONDARY: # what is made on the way (build/gen) is kept, or the next build would make it all again

.PHONY: help bootstrap run up down env token clean-state migrate rollback docs types check test test-faults test-long soak coverage sanitize migration-load migrations-test fuzz bench bench-db bench-page hot-path install uninstall release

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

bootstrap: ## install what is missing (Debian packages, npm tools)
	@scripts/bootstrap

run: ## everything in the foreground; Ctrl-C stops it
	@scripts/run
up: ## the same in the background, returning when ready; starts again what has died
	@scripts/up
down: ## stop what `make up` started; data stays
	@scripts/down
env: ## what a shell needs to talk to it:  eval "$(make -s env)"
	@scripts/env
token: ## a JWT that it takes:  make token SUB=alice ROLE=user TTL=3600
	@scripts/token
clean-state: ## stop it and delete its data, secrets and certificates
	@scripts/clean-state

install: ## what a deployment needs, below DESTDIR (docs/operations/install.md); starts nothing
	@scripts/install
release: ## build/chat-VERSION-….tar.gz: what a server needs, to be installed there without a compiler
	@scripts/release
uninstall: ## removes it again, but no settings, secrets or data
	@scripts/install uninstall

migrate: ## apply all pending migrations to DATABASE_URL
	@scripts/migrate
rollback: ## take the newest migration back
	@scripts/rollback

docs: $(BUILD)/chat-fcgi ## write .env.example and docs/configuration.md from the settings table
	@scripts/docs

types: ## write the page's and the tests' API types from docs/openapi.yaml
	@scripts/types
check: $(BUILD)/chat-fcgi ## the quick checks: format, layers, lint, types
	@scripts/check
test: ## all tests, each suite's time, and the sum
	@scripts/test
coverage: ## lines that the tests run, by folder, held against their floors
	@scripts/coverage
sanitize: ## unit, contract and api tests under sanitizers (some minutes)
	@scripts/sanitize
test-faults: ## workers and stores killed, frozen, swapped under live answers, slow clients, overload, a soak; shortened (see test-long)
	@scripts/test faults
soak: ## answers of all kinds while workers are killed and replaced, for MINUTES (30)
	@SOAK_MINUTES="$(or $(MINUTES),30)" scripts/test-long soak
test-long: ## what make test does shortened, in full length (some hours): faults, soak, model, sanitizers, fuzz, migration under load
	@scripts/test-long $(SUITES)
migration-load: ## the newest migration up and down under load, with the version before it running; REF=…: from that version
	@scripts/migration-load
migrations-test: ## every migration up, down and up again leaves the same schema
	@scripts/test migrations
fuzz: ## fuzz each target of tests/fuzz for SECONDS (60), or those alone:  make fuzz SECONDS=600 TARGETS="json jwt"
	@scripts/fuzz "$(or $(SECONDS),60)" $(TARGETS)
hot-path: ## instructions per chunk and per request, held against the stored figures
	@scripts/hot-path
bench: ## the service beside bare nginx, nginx with Lua, a floor and peers; the table of docs/performance.md (40 minutes, a quiet machine; QUICK=yes: 10)
	@scripts/bench $(ROWS)
bench-page: ## the page's figures in Chromium, at full speed and four times slower, against their budgets (2 minutes, a quiet machine)
	@scripts/bench-page
bench-db: ## the queries' plans and times at SESSIONS=1000000 MESSAGES=10000000
	@scripts/bench-db
