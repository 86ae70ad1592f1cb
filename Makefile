# Every target sets up what is missing first; see in-env.
IN_ENV = ./in-env
MPIRUN = mpirun -n 2
# serial tests, spread over the cores: who has nothing left takes half of what another has
SIDE_BY_SIDE = python -m pytest --numprocesses auto --maxprocesses 8 --dist worksteal
TESTS = tests docs/examples

.PHONY: help env demo check test lint hook bench growth docs look dist clean

help:
	@sed -n 's/^\([a-z]*\): *.*## /  make \1\t/p' Makefile

env: ## set up FEniCSx and all the tools, and say what was chosen
	@$(IN_ENV) --set-up

demo: env ## pinned balls, a certified tensor, a density and a transition in a rugged landscape, two rotators: tables, and pictures in out/
	@SCALING_LIMITS_RUNS=10000 $(IN_ENV) python docs/run_examples.py pinned_billiards
	@$(IN_ENV) python docs/run_examples.py effective_tensor mueller_brown transition hot_cold_chain

lint: env
	@$(IN_ENV) ruff check .
	@$(IN_ENV) ruff format --check .
	@$(IN_ENV) sh -c 'cd tests && exec mypy --config-file ../pyproject.toml -p scaling_limits'

check: lint ## ruff, mypy, and the quick tests of every module, in under two minutes: for daily work
	@cd tests && SAFEPATH=1 ../in-env $(SIDE_BY_SIDE) --daily

test: lint ## ruff, mypy, and the tests, serially (as many side by side as there are cores) and on two ranks; from a place where the bare checkout is not importable
	@cd tests && SAFEPATH=1 ../in-env $(SIDE_BY_SIDE)
	@cd tests && SAFEPATH=1 timeout 1800 ../in-env $(MPIRUN) python -m pytest --color=no -m "not serial"

hook: ## let git run ruff on what is staged before every commit
	@git config core.hooksPath .ci/hooks && echo "git runs .ci/hooks/pre-commit before every commit from now on"

bench: env ## ours against peers in the same run: one table of ratios
	@cd tests/benchmarks && ../../in-env python run.py

growth: env ## how time, memory, messages and bytes grow: docs/trust/growth.md anew, in some eight minutes
	@cd tests/benchmarks/growth && ../../../in-env python run.py

docs: env ## the pages, with the examples run, in docs/_build; a warning is an error
	@cd docs && ../in-env sphinx-build -q -W --keep-going -b html . _build

look: docs ## the pages in a browser: formulas, requests to elsewhere, links, narrow screens; needs chromium outside of the environment
	@python3 tests/tools/browser.py docs/_build

dist: env ## the source distribution, and the wheel that is built from it, in dist/
	@rm -rf build/metadata dist && mkdir -p build/metadata dist
	@$(IN_ENV) python setup.py --quiet egg_info --egg-base build/metadata sdist --dist-dir dist
	@$(IN_ENV) python -m pip wheel --quiet --no-deps --no-build-isolation --no-index --wheel-dir dist dist/*.tar.gz
	@ls dist

clean: ## remove what was made in the checkout; the environment is in the user's cache
	rm -rf out build dist docs/_build docs/gallery docs/reference/generated docs/reference/examples .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
