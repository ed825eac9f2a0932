# Two commands for a fresh Debian machine with Python 3.11+:  make demo   and   make test
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check
DEBS := postgresql chromium slapd ldap-utils samba-ad-dc samba-ad-provision
WORKERS ?= 2

.PHONY: demo demo-stop test lint bench sim mutants sequences sbom screenshots lock clean

demo: .venv/.run
	@$(BIN)/python -m runner.cli.story $(if $(KEEP),--keep)

demo-stop: .venv/.run
	@$(BIN)/python -m runner.cli.story --stop

test: .venv/.dev .venv/sbom/.made debs lint
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

lint: .venv/.dev
	$(BIN)/ruff check runner tests
	$(BIN)/ruff format --check -q runner tests
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.dev
	$(BIN)/python -m tests.bench

SEEDS ?= 5000
FROM ?= 0
sim: .venv/.dev
	$(BIN)/python -m tests.sim $(if $(ONE),--one $(ONE),--seeds $(SEEDS) --from $(FROM) --processes $(WORKERS))

mutants: .venv/.dev
	$(BIN)/python -m tests.sim.mutants
	$(BIN)/python -m tests.sim.steps

COUNT ?= 2000
sequences: .venv/.dev
	$(BIN)/python -m tests.exchange.sequences --count $(COUNT) --from $(FROM)
	$(BIN)/python -m tests.crm.sequences --count $(COUNT) --from $(FROM)

# In an environment of its own: with what cyclonedx brings along, jsonschema takes a second to import.
.venv/sbom/.made: .ci/requirements-sbom.txt | .venv/.made
	$(PYTHON) -m venv .venv/sbom
	.venv/sbom/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r $< && touch $@

SBOM ?= sbom.json
sbom: .venv/sbom/.made
	.venv/sbom/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --of JSON -o $(SBOM) requirements.txt

screenshots: .venv/.dev debs
	$(BIN)/python -m tests.console.screenshots

.PHONY: debs
debs:
	@missing=$$(for deb in $(DEBS); do dpkg-query -W -f='$${Status}' $$deb 2>/dev/null | grep -q 'ok installed' || echo $$deb; done); \
	if [ -n "$$missing" ]; then \
	  sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	  echo "installing Debian packages: $$missing"; \
	  $$sudo apt-get update -qq; \
	  echo 'slapd slapd/no_configuration boolean true' | $$sudo debconf-set-selections; \
	  $$sudo env DEBIAN_FRONTEND=noninteractive sh tests/support/install.sh $$missing; \
	fi

.venv/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: Python 3.11 or newer is needed" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "error: no venv support. On Debian: apt install python3-venv" >&2; exit 1; }
	rm -rf .venv && $(PYTHON) -m venv .venv && touch $@

.venv/.run: requirements.txt pyproject.toml | .venv/.made
	$(PIP) --require-hashes -r requirements.txt
	$(PIP) --no-deps --no-build-isolation -e . && touch $@

.venv/.dev: requirements-dev.txt | .venv/.run
	$(PIP) --require-hashes -r requirements-dev.txt && touch $@

lock: .venv/.dev
	$(PIP) uv
	$(BIN)/uv pip compile -q --generate-hashes --extra build --extra dev --extra postgres --python-version 3.11 --universal --no-emit-index-url --no-header pyproject.toml -o requirements-dev.txt
	$(BIN)/uv pip compile -q --generate-hashes --extra build --extra postgres --python-version 3.11 --universal --no-emit-index-url --no-header -c requirements-dev.txt pyproject.toml -o requirements.txt
	echo 'cyclonedx-bom>=6,<8' | $(BIN)/uv pip compile -q --generate-hashes --python-version 3.11 --universal --no-emit-index-url --no-header - -o .ci/requirements-sbom.txt

clean:
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
