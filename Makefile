# Every command a newcomer needs. `make help` lists them.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PACKAGES := $(wildcard packages/*)
DATA ?= photos
MASKS ?=
RUN ?= runs/small
PRESET ?= small
LAUNCH ?= configs/accelerate/one_process.yaml

.PHONY: help demo test check format train evaluate docs wheels clean
.DEFAULT_GOAL := help

help:  ## List the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 12

$(VENV)/.installed: requirements-dev.txt requirements-docs.txt $(PACKAGES:%=%/pyproject.toml)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --requirement requirements-dev.txt
	@touch $@

demo: $(VENV)/.installed  ## Set up, send the photo that ships at 1, 10 and 19 dB, draw it in out/
	$(BIN)/lrisc demo --out out

test: $(VENV)/.installed  ## Set up and run every test
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

check: $(VENV)/.installed  ## Lint, check the types and the package boundaries
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	for package in $(PACKAGES); do $(BIN)/mypy $$package/src || exit 1; done
	$(BIN)/lint-imports

format: $(VENV)/.installed  ## Format the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

train: $(VENV)/.installed  ## Train: make train DATA=photos [MASKS=masks] [RUN=runs/small] [PRESET=small] [LAUNCH=file]
	$(BIN)/accelerate launch -q --config_file $(LAUNCH) -m lrisc_system.train --preset $(PRESET) --data $(DATA) \
		$(if $(MASKS),--masks $(MASKS)) --output $(RUN)

evaluate: $(VENV)/.installed  ## Compare all links: make evaluate DATA=kodak [MASKS=masks] [CROP=256]
	$(BIN)/lrisc evaluate --data $(DATA) $(if $(MASKS),--masks $(MASKS)) \
		$(if $(CROP),--crop $(CROP) --out results-crops,--out results)

docs: $(VENV)/.installed  ## Build the documentation into site/
	$(BIN)/sphinx-build -q -W --keep-going -E -b html -d build/docs docs site

wheels: $(VENV)/.installed  ## Install and test every package alone, from its wheel (half an hour)
	$(BIN)/python scripts/check_wheels.py

clean:  ## Remove the environment and everything generated
	rm -rf $(VENV) out build dist site
