# Every target sets up .venv by itself when needed; nothing but Python 3.11 and make has to be there.
PY := .venv/bin/python
STAMP := .venv/.stamp
SEED ?=
SEEDS ?= 1000
SYSTEMS ?= embedded memory oms http redis

.DEFAULT_GOAL := help
.PHONY: help setup check format test dashboard pictures demo simulate conformance soak bench docs lock clean

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: $(STAMP) ## make .venv with the locked dependencies and this package

$(STAMP): requirements/dev.lock pyproject.toml scripts/setup.sh
	@scripts/setup.sh
	@touch $@

check: $(STAMP) ## format, lint, types, layers, generated code, rules of the repository, examples in the docs
	@echo "check: format";         .venv/bin/ruff format --check .
	@echo "check: lint";           .venv/bin/ruff check .
	@echo "check: types";          .venv/bin/mypy
	@echo "check: layers";         .venv/bin/lint-imports
	@echo "check: generated code"; $(PY) scripts/unasync.py --check
	@echo "check: repository rules, documentation"; $(PY) -m pytest -n 2 tests/test_tidy.py tests/test_docs.py

format: $(STAMP) ## rewrite the code in its format, with the lint rules that mend themselves
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .
	$(PY) scripts/unasync.py

test: $(STAMP) ## all tests with coverage, on two workers
	@echo "test: all tests, two workers, some minutes"
	$(PY) -m pytest -n 2 --dist loadfile --cov --cov-report=term:skip-covered

dashboard: ## build the page at /ui/ (dashboard/) into the package; needs Node.js 18 or newer with npm
	@scripts/dashboard.sh

pictures: $(STAMP) dashboard ## the pictures of the dashboard in the documentation, taken by its tests
	$(PY) -m pytest tests/dashboard -k pictures
	for name in overview queue phone; do cp build/dashboard/docs-$$name.png docs/images/dashboard-$$name.png; done

demo: $(STAMP) ## the main job: 20,000 real flights through a queue, the process killed halfway, nothing lost
	@echo "demo: oms demo"
	@.venv/bin/oms demo

simulate: $(STAMP) ## log, broker, order, filters, transactions, time, routes, calls on a disk with faults, from seeds: SEEDS=1000, or SEED=n to replay one
	$(PY) -m openmessaging.simulation.storage $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))
	$(PY) -m openmessaging.simulation.broker $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))
	$(PY) -m openmessaging.simulation.order $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))
	$(PY) -m openmessaging.simulation.filters $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))
	$(PY) -m openmessaging.simulation.transactions $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))
	$(PY) -m openmessaging.simulation.time $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))
	$(PY) -m openmessaging.simulation.routing $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))
	$(PY) -m openmessaging.simulation.calls $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))

conformance: $(STAMP) ## the kit against each system, its real server started for it; writes docs/reference/conformance.md: SYSTEMS="embedded redis"
	$(PY) scripts/conformance.py $(SYSTEMS)

soak: $(STAMP) ## the long loops: kill -9, many threads and tasks, 10,000 conditions answered by SQLite too
	$(PY) -m tests.durability.kill_loop --kills 200
	$(PY) -m tests.durability.mixed_faces --seconds 60
	$(PY) -m tests.durability.broker_kills --rounds 100
	$(PY) -m tests.filters.agreement
	$(PY) -m pytest -m soak tests/server/http/test_schema.py
	$(PY) -m pytest -m soak tests/testing/servers

bench: $(STAMP) ## what the store does beside what the machine can do, as ratios in the same run
	$(PY) -m benchmarks.embedded
	$(PY) -m benchmarks.alternating
	$(PY) -m benchmarks.backlog
	$(PY) -m benchmarks.filtering
	$(PY) -m benchmarks.routing
	$(PY) -m benchmarks.transactions
	$(PY) -m benchmarks.syncs
	$(PY) -m benchmarks.startup
	$(PY) -m benchmarks.app
	$(PY) -m benchmarks.rpc
	$(PY) -m benchmarks.connections
	$(PY) -m benchmarks.http_front

docs: $(STAMP) ## run every code block of README.md and docs/, and every example
	$(PY) -m pytest -n 2 tests/test_docs.py tests/test_examples.py

lock: ## newest versions within the bounds of pyproject.toml into requirements/dev.lock
	scripts/lock.sh

clean: ## remove everything that was built
	rm -rf dashboard/node_modules openmessaging/server/dashboard
	rm -rf .venv build dist .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis mutants *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
