# What a user, a developer and CI run. Every target makes what it needs, in private venvs under .venv/ and in build/, and
# does nothing twice. Needed: Python 3.11 or later with venv, gcc or clang, make.

PYTHON ?= python3
PIP_FLAGS := -qq --disable-pip-version-check
DEV := .venv/dev/bin
COMPILERS := $(foreach cc,gcc clang,$(if $(shell command -v $(cc)),$(cc)))

GLUE := $(wildcard csrc/python/*.c)
CORE := $(filter-out $(GLUE),$(wildcard csrc/*.c csrc/*/*.c))
HEADERS := $(wildcard $(foreach kind,h def inc,csrc/*.$(kind) csrc/*/*.$(kind)))
MODULE := $(wildcard pyautograd/*.py pyautograd/*/*.py pyautograd/*.pyi pyautograd/data/*)
BUILD := pyproject.toml setup.py MANIFEST.in LICENSE $(wildcard README.md) pyautograd/_build.py
C_FILES := $(CORE) $(GLUE) $(filter-out %.def,$(HEADERS)) $(wildcard tests/c/*.[ch])
SOURCES := $(CORE) $(GLUE) $(HEADERS) $(MODULE) $(BUILD)

.PHONY: demo ops names mutations test sweep wheel smoke test-wheel oracle bench bench-peers lint format c-test werror sanitize fuzz docs coverage clean

# ---- for users ----

# By its script, and the bench from another folder: `python -m` would take the source tree here for the package.
demo: .venv/demo/ready
	.venv/demo/bin/pyautograd demo

.venv/demo/ready: $(SOURCES)
	test -d .venv/demo || $(PYTHON) -m venv .venv/demo
	rm -rf build/core*/lib*
	.venv/demo/bin/pip $(PIP_FLAGS) install ".[plot,progress]"
	touch $@

bench: .venv/bench/ready
	cd .venv && bench/bin/python -m pyautograd bench

.venv/bench/ready: build/wheel.stamp
	test -d .venv/bench || $(PYTHON) -m venv .venv/bench
	.venv/bench/bin/pip $(PIP_FLAGS) install --force-reinstall --no-deps dist/*.whl
	.venv/bench/bin/pip $(PIP_FLAGS) install "$$(echo dist/*.whl)[bench]"
	touch $@

# Beside JAX, PyTorch, scikit-learn, NumPy and micrograd: tables and plots of docs/ and the numbers of README.md.
# PEERS_FLAGS="--quick" measures for two minutes and writes nothing.
PEERS_FLAGS ?= --publish

bench-peers: .venv/peers/ready | build
	cd .venv && peers/bin/python ../benchmarks/peers --json ../build/peers.json $(filter-out --publish,$(PEERS_FLAGS))
ifneq ($(filter --publish,$(PEERS_FLAGS)),)
	cd .venv && peers/bin/python ../benchmarks/peers --threads 2 --json ../build/peers.json --publish
endif

.venv/peers/ready: build/wheel.stamp
	test -d .venv/peers || $(PYTHON) -m venv .venv/peers
	.venv/peers/bin/pip $(PIP_FLAGS) install --force-reinstall --no-deps dist/*.whl
	.venv/peers/bin/pip $(PIP_FLAGS) install "$$(echo dist/*.whl)[bench]" "torch==2.13.0" jax
	touch $@

# ---- the development tree: an editable install, the module built in place ----

.venv/dev/ready: pyproject.toml
	test -d .venv/dev || $(PYTHON) -m venv .venv/dev
	.venv/dev/bin/pip $(PIP_FLAGS) install -e ".[dev]"
	touch $@

pyautograd/_core.abi3.so: $(CORE) $(GLUE) $(HEADERS) pyautograd/_build.py setup.py | .venv/dev/ready
	$(DEV)/python setup.py -q build_ext --inplace

test: pyautograd/_core.abi3.so
	$(DEV)/pytest

# What Python has of the op table: functions, methods, activations, rules
ops:
	$(PYTHON) csrc/ops.py

# PyTorch's names and which of them are here, from PyTorch as it is installed
names: .venv/oracle/ready
	.venv/oracle/bin/python tests/pytorch/names.py

# Does a test fail for each derivative with one thing in it changed? Half an hour and more.
mutations: .venv/dev/ready
	$(DEV)/python tests/mutations.py

# Wrong arguments for every public callable, for SECONDS
sweep: pyautograd/_core.abi3.so
	$(DEV)/python tests/bad_arguments.py --seconds $(SECONDS) --seed $(SEED)

lint: .venv/dev/ready
	$(DEV)/ruff check --output-format concise .
	$(DEV)/ruff format --check .
	$(DEV)/mypy
	@echo clang-format; $(DEV)/clang-format --dry-run --Werror $(C_FILES)
	@! grep -rn --include='*.[ch]' --exclude-dir=python '<Python.h>' csrc

# As clang-format and ruff want it
format: .venv/dev/ready
	$(DEV)/ruff format .
	$(DEV)/clang-format -i $(C_FILES)

# ---- the wheel, and what is checked with it from another folder ----

build:
	@mkdir -p $@

wheel: build/wheel.stamp
	@ls -l dist
	@size=$$(cat dist/*.whl | wc -c); echo "the wheel has $$size bytes; at most 1300000 are meant"; test $$size -lt 1300000

build/wheel.stamp: $(SOURCES) | .venv/dev/ready build
	rm -rf dist build/dist
	$(DEV)/python -m build --outdir build/dist . > build/wheel.log 2>&1 || { cat build/wheel.log; exit 1; }
	mkdir -p dist
	cp build/dist/*.tar.gz dist
ifeq ($(shell uname -s),Linux)
	PATH="$(CURDIR)/$(DEV):$$PATH" $(DEV)/auditwheel -v repair --strip -z 9 -w dist build/dist/*.whl >> build/wheel.log 2>&1 \
	    || { cat build/wheel.log; exit 1; }
else
	cp build/dist/*.whl dist
endif
	touch $@

.venv/wheel/ready: build/wheel.stamp
	test -d .venv/wheel || $(PYTHON) -m venv .venv/wheel
	.venv/wheel/bin/pip $(PIP_FLAGS) install --force-reinstall --no-deps dist/*.whl
	.venv/wheel/bin/pip $(PIP_FLAGS) install "$$(echo dist/*.whl)"
	touch $@

smoke: .venv/wheel/ready
	.ci/elsewhere.sh .venv/wheel/bin/python tests/smoke_wheel.py

test-wheel: smoke
	.venv/wheel/bin/pip $(PIP_FLAGS) install "$$(echo dist/*.whl)[test]"
	.ci/elsewhere.sh .venv/wheel/bin/python -m pytest

# PyTorch as the oracle, the tests that compare with micrograd and scikit-learn, those of the estimators and of clusters
oracle: .venv/oracle/ready
	.ci/elsewhere.sh .venv/oracle/bin/python -m pytest tests/pytorch tests/estimators tests/clusters tests/test_bench.py \
	    tests/test_datasets.py tests/test_doctests.py tests/test_exports.py tests/values
	.venv/oracle/bin/python tests/pytorch/names.py --check
	cd .venv && oracle/bin/python -m pytest ../tests/test_doctests.py -k "sklearn.md or clusters.md"

# The site: pages, the pictures of the course, the API from docstrings; what Sphinx warns about is an error
docs: .venv/docs/ready
	.venv/docs/bin/python docs/site/build.py
	@echo "the site is in build/site: build/site/docs/index.html"

.venv/docs/ready: build/wheel.stamp
	test -d .venv/docs || $(PYTHON) -m venv .venv/docs
	.venv/docs/bin/pip $(PIP_FLAGS) install --force-reinstall --no-deps dist/*.whl
	.venv/docs/bin/pip $(PIP_FLAGS) install "$$(echo dist/*.whl)[plot,sklearn,docs]"
	touch $@

.venv/oracle/ready: build/wheel.stamp
	test -d .venv/oracle || $(PYTHON) -m venv .venv/oracle
	.venv/oracle/bin/pip $(PIP_FLAGS) install --force-reinstall --no-deps dist/*.whl
	.venv/oracle/bin/pip $(PIP_FLAGS) install "$$(echo dist/*.whl)[test,bench,sklearn,progress]" pandas "torch==2.13.0" \
	    "dask[distributed]" optuna mpi4py mpich
	touch $@

# ---- the C core alone, with each compiler, warnings being errors; and under sanitizers ----

SANITIZE := address,undefined
C_FLAGS := -std=c11 -Wall -Wextra -Werror -ffp-contract=off -fno-math-errno -fno-trapping-math -Icsrc
C_SANITIZE := -O1 -g -fno-omit-frame-pointer -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -DPA_MEM_CACHE_CAP=0

# $(1): a folder under build/c, $(2): the compiler, $(3): its further flags
define c_program
build/c/$(1)/%.o: %.c $(HEADERS) Makefile
	@mkdir -p $$(@D)
	@$(2) $(C_FLAGS) $(3) -c $$< -o $$@
build/c/$(1)/test_core: $(patsubst %.c,build/c/$(1)/%.o,$(CORE) $(wildcard tests/c/*.c))
	@$(2) $(3) $$^ -o $$@ -lm -ldl
.PHONY: c-test-$(1)
c-test-$(1): build/c/$(1)/test_core
	@echo "$(1):"
	@$$<
endef

$(foreach cc,$(COMPILERS),$(eval $(call c_program,$(cc),$(cc),-O3)))
# gcc alone: clang takes minutes over the instrumented kernels
$(eval $(call c_program,gcc-sanitize,gcc,$(C_SANITIZE)))

c-test: $(foreach cc,$(COMPILERS) gcc-sanitize,c-test-$(cc))
	@$(foreach cc,$(filter-out $(COMPILERS),gcc clang),echo "$(cc) is not installed: the C tests with it were left out";)

# What knows Python: cffi's generated file and the glue beside it
werror: .venv/dev/ready | build
	@$(DEV)/python -c 'import runpy; \
	    runpy.run_path("pyautograd/_build.py", run_name="__cffi__")["ffibuilder"].emit_c_code("build/_core.c")'
	@set -e; include=$$($(DEV)/python -c 'import sysconfig; print(sysconfig.get_path("include"))'); \
	for cc in $(COMPILERS); do for file in build/_core.c $(GLUE); do \
	    echo "$$cc -Wall -Wextra -Werror $$file"; \
	    $$cc $(C_FLAGS) -O2 -fPIC -I$$include -c $$file -o build/werror.o; \
	done; done

# ---- the whole suite under ASan and UBSan; CPython itself leaks at exit, leaks of ours are counted by the tests ----

SANITIZED := LD_PRELOAD="$$(gcc -print-file-name=libasan.so)" PYTHONMALLOC=malloc \
	ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=6144:strict_string_checks=1 \
	UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	.ci/elsewhere.sh .venv/sanitize/bin/python

sanitize: .venv/sanitize/ready
	$(SANITIZED) -m pytest

# Random programs beside an oracle, for a minute; `make fuzz SECONDS=3600 SEED=1000000` runs others for an hour.
SECONDS ?= 60
SEED ?= 0

fuzz: .venv/sanitize/ready
	$(SANITIZED) tests/fuzz --seconds $(SECONDS) --seed $(SEED)

.venv/sanitize/ready: $(SOURCES)
	test -d .venv/sanitize || $(PYTHON) -m venv .venv/sanitize
	rm -rf build/core*/lib*
	CC=gcc PYAUTOGRAD_SANITIZE=$(SANITIZE) .venv/sanitize/bin/pip $(PIP_FLAGS) install ".[test]"
	touch $@

# ---- which lines and branches of the C files the tests take, subprocesses and C tests included; for gcov and gcc ----

COVERAGE := -O1 --coverage -Wno-maybe-uninitialized
$(eval $(call c_program,gcc-coverage,gcc,$(COVERAGE)))

coverage: .venv/coverage/ready build/c/gcc-coverage/test_core
	find build -name '*.gcda' -delete
	build/c/gcc-coverage/test_core > build/coverage.log
	.ci/elsewhere.sh .venv/coverage/bin/python -m pytest -q
	.venv/coverage/bin/gcovr -r . --filter 'csrc/.*\.c$$' --merge-mode-functions=merge-use-line-0 \
	    --gcov-ignore-parse-errors=negative_hits.warn_once_per_file --fail-under-branch 85 \
	    --txt-metric branch --txt --print-summary --markdown build/coverage.md build

.venv/coverage/ready: $(SOURCES)
	test -d .venv/coverage || $(PYTHON) -m venv .venv/coverage
	rm -rf build/core*/lib*
	CC=gcc PYAUTOGRAD_COVERAGE=1 .venv/coverage/bin/pip $(PIP_FLAGS) install ".[test,bench,plot,draw,progress]" "gcovr>=8"
	touch $@

clean:
	rm -rf .venv build dist *.egg-info pyautograd/_core*.so
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
