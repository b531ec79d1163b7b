# `make` builds the environment and regenerates the appendix at the embedded scale; `make test` runs every check and test.

PYTHON ?= python3
CORES ?= all
VENV := .venv
READY := $(VENV)/ready
CLUSTER := $(VENV)/cluster
RIVALS := $(VENV)/rivals
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# Many short processes import the same modules; where this is set, each of them would compile them for a second.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: all fast repro sync unlock generate networks cluster rivals image test test-fast test-cluster test-gpu fuzz check check-code check-scales docs bench gpu lock clean

# The whole appendix.
all: $(READY)
	@began=$$(date +%s) && snakemake --cores $(CORES) --quiet rules && echo && \
	  python workflow/verdicts.py results/embedded $$(($$(date +%s) - began))

# A first look, in two minutes: Table 6 and Figure 13.
fast: $(READY)
	snakemake fast --cores $(CORES) --quiet rules
	@echo
	@cat results/embedded/tables/table_6.md
	@echo "Table 6: results/embedded/tables/table_6.md, Figure 13: results/embedded/figures/figure_13.png"

# The same by DVC, stage by stage.
repro: $(READY)
	dvc repro
	$(MAKE) sync

# Tell Snakemake that what DVC made or pulled is up to date; of another scale, make sync PARAMS=scales/pets/params.yaml.
sync: $(READY)
	@dvc status --quiet $(dir $(PARAMS))dvc.yaml || { echo "sync: DVC has stages that are out of date; see dvc status $(dir $(PARAMS))dvc.yaml, then dvc repro $(dir $(PARAMS))dvc.yaml"; exit 1; }
	snakemake --cores 1 --touch --forceall --quiet all $(if $(PARAMS),--configfile $(PARAMS))

# After an engine was killed: take away the locks it left, unless one, or a stage, still runs here.
unlock: $(READY)
	python workflow/locks.py unlock

# The container: adm.sif, which Snakemake's jobs run in under `--software-deployment-method apptainer`.
DOCKER := docker
image:
	$(DOCKER) build --tag adm .
	$(DOCKER) save --output adm.tar adm
	apptainer build --force adm.sif docker-archive:adm.tar
	rm adm.tar

# What clusters and shared caches need, beside the rest.
cluster: $(CLUSTER)

# The libraries that benchmarks compare with.
rivals: $(RIVALS)

# What is written from something else: the schema of params files, the embedded scale's dvc.yaml, and numbers on pages.
SCALES := params.yaml $(wildcard scales/*/params.yaml)
generate: $(READY)
	adm schema
	adm dvc
	python workflow/references.py

# The networks that come with the package, from the results of two scales.
SAMPLED := --set sampler=dpm_solver_pp --set eta=1 --set steps=logsnr25
networks: $(READY)
	adm export results/emoji/checkpoints/classifier-3000 adm/networks/emoji-classifier.safetensors --dtype float16
	adm export results/emoji/checkpoints/model-9600 adm/networks/emoji.safetensors --dtype float16 $(SAMPLED) \
	  --set cfg_scale=3
	adm export results/fashion/checkpoints/quick-classifier-1500 adm/networks/fashion-classifier.safetensors --dtype float16
	adm export results/fashion/checkpoints/quick-2500 adm/networks/fashion.safetensors --dtype float16 $(SAMPLED) \
	  --set scale=1 --set classifier=fashion-classifier.safetensors

# Groups in the order that tests/conftest.py gives them: the slow ones first.
TESTS := pytest --numprocesses 2 --dist loadgroup --no-loadscope-reorder --ignore tests/cluster

# Everything that needs no service; what takes long, engines and kills among it, is left out of test-fast.
test: check
	$(TESTS)

test-fast: $(READY)
	$(TESTS) -m "not slow"

# A real Slurm, a server that speaks S3, several processes: beside the tests, since they install and start services.
test-cluster: $(CLUSTER)
	hadolint --no-color --failure-threshold style Dockerfile
	pytest tests/cluster

# What only a GPU shows; without one every test is skipped.
test-gpu: $(READY)
	pytest tests/gpu

# Damaged files for every reader, thousands of each instead of the hundred of `make test`, others every time.
CASES := 3000
SEED := $(shell date +%s)
fuzz: $(READY)
	@echo "make fuzz CASES=$(CASES) SEED=$(SEED) repeats this"
	ADM_FUZZ_CASES=$(CASES) pytest tests/faults/test_fuzz_*.py --numprocesses 2 --hypothesis-seed=$(SEED)

check: check-code check-scales docs

check-code: $(READY)
	ruff check
	ruff format --check
	mypy
	lint-imports
	snakefmt --check --compact-diff Snakefile workflow
	snakemake --lint
	adm schema --check
	adm check --dvc

check-scales: $(READY)
	for params in $(SCALES); do adm check --params $$params && adm publish --check --params $$params || exit; done
	python workflow/references.py --check

# The documentation, as a site in `site`; a link that leads nowhere is an error.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 python -m mkdocs build --strict

bench: $(RIVALS)
	python -m benchmarks
	python -m benchmarks.memory
	python -m benchmarks.shares

# The acceptance of a machine with a GPU or several: the tests that need one, then the paper's models as tables.
gpu: test-gpu
	python -m benchmarks.gpu

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

# A newer Python, and the newest of what the package needs without extras: the test of the wheel tries it.
NEWER := .venv-3.13
$(NEWER)/ready: pyproject.toml
	python3.13 -m venv $(NEWER)
	$(NEWER)/bin/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' \
	  > $(NEWER)/requirements.txt
	$(NEWER)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $(NEWER)/requirements.txt
	touch $@

$(CLUSTER) $(RIVALS): $(VENV)/%: requirements-%.lock $(READY)
	python -m pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

# The lock pins every distribution but torch and torchvision, whose builds differ from machine to machine: they stand as
# the ranges of pyproject.toml, and what they alone need (CUDA libraries) is left to them.
# What clusters and shared caches need, and what benchmarks compare with, is resolved together with the rest, and stands
# in locks of their own.
UNPINNED := ^(torch|torchvision|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+)==
RESOLVE := uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate pyproject.toml \
  --extra workflow --extra tensorflow
PINNED := grep --extended-regexp --invert-match '$(UNPINNED)'
BESIDE := $(PINNED) | grep --line-regexp --fixed-strings --invert-match --file requirements.lock
lock: $(READY)
	python -m pip install --quiet uv
	$(RESOLVE) --all-extras | $(PINNED) > requirements-all.lock
	{ echo 'torch>=2.9'; echo 'torchvision>=0.24'; \
	  $(RESOLVE) --extra test --extra docs --constraint requirements-all.lock | $(PINNED); } > requirements.lock
	$(RESOLVE) --extra cluster --extra test-cluster --constraint requirements-all.lock | $(BESIDE) > requirements-cluster.lock
	$(RESOLVE) --extra rivals --constraint requirements-all.lock | $(BESIDE) > requirements-rivals.lock
	rm requirements-all.lock

# All that interrupted training, and half-sampled runs, would go on from; refuses while an engine, or a stage, runs here.
clean: $(READY)
	python workflow/locks.py clean
