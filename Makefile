# `make help` lists the targets. Everything runs in the project's own .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
COMPILE := $(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url \
	--python-version 3.11 --custom-compile-command "make lock"
export PIP_DISABLE_PIP_VERSION_CHECK := 1

HOSTILE = $(wildcard tests/*/test_hostile_*.py tests/*/*/test_hostile_*.py tests/pipeline/test_flips.py)

.DEFAULT_GOAL := help
.PHONY: help demo tables-demo test soak lint render figures picture dashboards images sbom e2e-containers tools contract lock clean

# Images: `make images REGISTRY=registry.example.org VERSION=1.2.3 BASE=...@sha256:...`
REGISTRY =
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
BASE = docker.io/library/python:3.11-slim-bookworm
SOURCE =
IMAGES = base torch editor train
BUILD = $(if $(shell command -v buildah),buildah bud --layers,docker build)
RUN = $(if $(shell command -v podman),podman,docker) run
image = $(if $(REGISTRY),$(REGISTRY)/)palimpsest/$(1):$(VERSION)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/ready ## set up, then the whole run on the sample photographs (runs/demo)
	@$(BIN)/palimpsest run --profile demo

tables-demo: $(VENV)/ready ## set up, then every table of the paper once, at demo size (runs/tables-demo)
	@$(BIN)/palimpsest run --profile tables-demo
	@$(BIN)/palimpsest report runs/tables-demo

test: $(VENV)/ready lint ## set up, then every check and every test
	$(BIN)/pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder --durations=20

soak: $(VENV)/ready ## the fault tests with ten to two hundred times as many cases: an hour or more
	PALIMPSEST_SOAK=1 $(BIN)/pytest --numprocesses=auto --maxprocesses=4 --dist=worksteal --timeout=86400 --verbose \
		tests/faults $(HOSTILE)

lint: $(VENV)/ready ## formatting, types, import arrows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

render: $(VENV)/ready ## write the chart's workflows, its schema, the manifests and the picture
	@$(BIN)/palimpsest render

figures: $(VENV)/ready ## run the demo twice and print the README's figures
	@$(BIN)/python -m tests.benchmarks.demo

picture: $(VENV)/ready ## draw the DAG into README.md anew
	@$(BIN)/python -m pipeline.picture README.md

dashboards: $(VENV)/ready ## the demo under a real Prometheus: does each query find data; draws docs/pictures
	@$(BIN)/python -m tests.dashboards --pictures docs/pictures

images: ## build the container images with buildah or docker (IMAGES=base for one)
	@for image in $(IMAGES); do \
		echo "building $(call image,$$image)"; \
		$(BUILD) --file images/$$image/Dockerfile --tag $(call image,$$image) \
			--build-arg BASE=$(BASE) --build-arg TORCH=$(call image,torch) \
			--build-arg VERSION=$(VERSION) --build-arg SOURCE=$(SOURCE) \
			--build-arg REVISION=$$(git describe --always --dirty --abbrev=40 --exclude '*' || echo unknown) . \
			|| exit; \
	done

sbom: ## list what is in each image as build/sbom/<image>.cdx.json (CycloneDX 1.6)
	@mkdir -p build/sbom
	@for image in $(IMAGES); do \
		$(RUN) --rm --interactive --network none --read-only $(call image,$$image) python - \
			$$image $(VERSION) <images/sbom.py >build/sbom/$$image.cdx.json || exit; \
		echo "build/sbom/$$image.cdx.json"; \
	done

e2e-containers: $(VENV)/ready ## the demo as pods in real containers (podman), three of them killed
	@$(BIN)/python -m tests.e2e.containers

contract: $(VENV)/ready ## print what every editor family was checked for, and whether it holds
	@$(BIN)/python -m tests.jobs.editors.table

tools: build/tools/helm build/tools/checkov ## fetch helm, kubectl and checkov for the tests that want them (build/tools)

build/tools/helm: $(VENV)/ready
	@$(BIN)/python -m tests.tools.get_helm build/tools

# In an environment of its own: it pins what others need newer.
build/tools/checkov: $(VENV)/ready
	@mkdir -p build/tools
	@$(PYTHON) -m venv build/checkov
	@build/checkov/bin/python -m pip install --quiet checkov==3.3.30
	@ln -sf ../checkov/bin/checkov $@

lock: $(VENV)/ready ## resolve every requirements.in into its requirements.txt, with hashes
	$(COMPILE) -o requirements.txt requirements.in
	@for image in $(IMAGES); do \
		$(COMPILE) --no-annotate --constraint requirements.txt \
			-o images/$$image/requirements.txt images/$$image/requirements.in || exit; \
	done

clean: ## remove the environment and the demos' runs
	rm -rf $(VENV) runs/demo runs/tables-demo

$(VENV)/ready: requirements.txt requirements-setup.txt pyproject.toml
	@echo "setting up $(VENV) (once: a few GB, about a minute on a fast line)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "palimpsest needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements-setup.txt
	@$(UV) pip sync --quiet --compile-bytecode --require-hashes --python $(BIN)/python requirements.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@
