# `make help` says what there is. Everything runs in .venv, which is made from the pinned requirements when they change.

PYTHON ?= python3
VENV := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help venv tools run test check format package deploy faults bench

help: ## list these
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

venv:
	@command -v $(PYTHON) >/dev/null || { echo "Python is missing: install Python 3.11, 3.12 or 3.13 with pip." >&2; exit 1; }
	@$(PYTHON) infra/build/venv.py

tools: venv
	@$(VENV) -m infra.build.tools

run: venv ## the whole portal on this machine, until Ctrl-C (PORT=8000, SIGNING=kms)
	@exec $(VENV) -m infra.local.run

# One more than there are cores: many tests wait for another process.
WORKERS ?= $(shell $(PYTHON) -c "import os; print(min(4, (os.cpu_count() or 1) + 1))")

test: tools ## every test, the browser tests too (ARGS="…" goes to pytest)
	@$(VENV) -m pytest --numprocesses $(WORKERS) --dist worksteal --durations 15 $(ARGS)

check: venv ## formatter, linter, types, catalogs, templates, CloudFormation
	@$(VENV) -m ruff format --check .
	@$(VENV) -m ruff check .
	@$(VENV) -m mypy
	@$(VENV) -m infra.build.catalogs check
	@$(VENV) -m infra.build.openapi check
	@$(VENV) -m djlint --lint --quiet templates
	@$(VENV) -m infra.build.bundle
	@.venv/bin/cfn-lint --regions eu-north-1 --template build/sam.json
	@$(VENV) -m infra.build.density
	@echo "Everything is in order."

.PHONY: words
words: venv ## build/words.html: every sentence in every language, and what no native has signed off
	@$(VENV) -m infra.build.words

format: venv ## let the formatter and the linter put right what they can
	@$(VENV) -m ruff check --fix --quiet . || true
	@$(VENV) -m ruff format .

package: venv ## build/deployment.zip and build/sam.json (PYTHON_TARGET=3.13: for Lambda's Python, in build/python3.13)
	@$(VENV) -m infra.build.bundle

deploy: venv ## the same, for Python 3.13, to an AWS account: make deploy STAGE=prod
	@$(VENV) -m infra.operator.deploy $(STAGE)

faults: venv ## 20,000 operations in which anything may fail, and what holds all the same (SEED=1 OPERATIONS=20000)
	@SEED=$(SEED) OPERATIONS=$(OPERATIONS) FROM=$(FROM) TO=$(TO) $(VENV) -m tests.faults

.PHONY: fuzz
fuzz: tools ## 20,000 requests that nobody thought of to the bundle on the local AWS, held to the OpenAPI document (SEED=1 CASES=20000)
	@SEED=$(SEED) CASES=$(CASES) $(VENV) -m tests.fuzz

.PHONY: pictures
pictures: venv ## docs/pictures/ anew from the running portal in Chromium, and how soon the first page is painted
	@$(VENV) -m tests.pictures

bench: venv ## the benchmarks; prints ratios, counts and request units, writes build/bench.json
	@$(VENV) -m bench

.PHONY: scale model

model: venv ## what AWS would charge at 1,000 to 10 million people, and which limit is met first, from what `make bench` and `make scale` measured
	@$(VENV) -m bench.model

scale: venv ## the same on a table with very many people (PEOPLE="100000 1000000"); writes build/scale.json
	@$(VENV) -c "from infra.build import tools; tools.java(); tools.dynamodb_local_folder()"
	@$(VENV) -m bench.scale $(PEOPLE)

.PHONY: scale-jobs

scale-jobs: venv ## jobs on the local AWS: rows a second, round trips, memory (ROWS=100000 KINDS="scrub links")
	@$(VENV) -m bench.jobs $(or $(ROWS),100000) $(KINDS)

FILE ?= infra/clinics/riga-aesthetics.yaml
.PHONY: check-clinic publish key keys revoke

check-clinic: venv ## look over a clinic's file: make check-clinic FILE=my-clinic.yaml
	@.venv/bin/consent clinic check $(FILE)

publish: venv ## publish a reviewed file: make publish FILE=my-clinic.yaml AUTHOR="…" APPROVER="…", two people (REASON="…", YES=1)
	@.venv/bin/consent operator publish $(FILE) --author "$(AUTHOR)" --approver "$(APPROVER)" \
		--minor-reason "$(REASON)" $(if $(YES),--yes)

keys: venv ## list a clinic's bearer keys: make keys CLINIC=my-clinic
	@.venv/bin/consent operator key list $(CLINIC)

revoke: venv ## revoke a bearer key: make revoke CLINIC=my-clinic KEY=key_…
	@.venv/bin/consent operator key revoke $(CLINIC) $(KEY)

key: venv ## create a bearer key: make key CLINIC=my-clinic LABEL="Newsletter tool" (SCOPES=…)
	@.venv/bin/consent operator key create $(CLINIC) --label "$(LABEL)" $(if $(SCOPES),--scopes $(SCOPES))
