# The commands for users and developers. `make help` lists them.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PACKAGES := $(wildcard packages/*)
DATA ?= photos
MASKS ?=
RUN ?= runs/small
PRESET ?= small
LAUNCH ?= configs/accelerate/one_process.yaml

.PHONY: help demo test gpu check format train recipes evaluate docs wheels clean
.DEFAULT_GOAL := help

help:  ## List the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 12
	@echo "The commands of the program itself: $(BIN)/lrisc --help"

$(VENV)/.installed: requirements-dev.txt requirements-docs.txt $(PACKAGES:%=%/pyproject.toml)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --requirement requirements-dev.txt
	@touch $@

demo: $(VENV)/.installed  ## Set up, send the example photo at 1, 10 and 19 dB, draw the results in out/
	$(BIN)/lrisc demo --out out

test: $(VENV)/.installed  ## Set up and run every test
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

gpu: $(VENV)/.installed  ## Run the tests that need a GPU; without one they are skipped
	$(BIN)/python -m pytest -m gpu packages/lrisc-system/tests/test_gpu.py

check: $(VENV)/.installed  ## Lint, check the types and the package boundaries
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	for package in $(PACKAGES); do $(BIN)/mypy $$package/src || exit 1; done
	$(BIN)/lint-imports

format: $(VENV)/.installed  ## Format the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

train: $(VENV)/.installed  ## Train a model: make train DATA=photos [MASKS=masks] [RUN=runs/small] [PRESET=small] [LAUNCH=file]
	$(BIN)/accelerate launch -q --config_file $(LAUNCH) -m lrisc_system.train --preset $(PRESET) --data $(DATA) \
		$(if $(MASKS),--masks $(MASKS)) --output $(RUN)

recipes: $(VENV)/.installed  ## List the presets and their training stages
	$(BIN)/lrisc recipes

evaluate: $(VENV)/.installed  ## Compare all links on a folder of images: make evaluate DATA=kodak [MASKS=masks] [CROP=256]
	$(BIN)/lrisc evaluate --data $(DATA) $(if $(MASKS),--masks $(MASKS)) \
		$(if $(CROP),--crop $(CROP) --out results-crops,--out results)

docs: $(VENV)/.installed  ## Build the documentation into site/
	$(BIN)/sphinx-build -q -W --keep-going -E -b html -d build/docs docs site

wheels: $(VENV)/.installed  ## Install and test each package alone, from its wheel (takes half an hour)
	$(BIN)/python scripts/check_wheels.py

clean:  ## Remove the environment and everything generated
	rm -rf $(VENV) out build dist site
