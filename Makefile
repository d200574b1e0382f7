COMPOSE ?= docker compose
RUN = $(COMPOSE) run --rm
IN_TEST = $(RUN) test sh -c 'setup_python_venv --dev >/dev/null && cd /opt/voicekiln && exec "$$@"' sh
PYTHON = /data/.venv/bin/python
MODELS ?= data/output

# CMU AN4: unpacked as it is published, or a folder with train.csv (and test.csv)
AN4 ?= $(firstword $(wildcard data/sources/an4 ../*/data/an4))
AN4_FILES = $(if $(wildcard $(AN4)/train.csv),--train-files /an4/train.csv $(if $(wildcard $(AN4)/test.csv),--test-files /an4/test.csv),\
	--train-files an4:/an4 --test-files an4:/an4)

.PHONY: help wakeword an4 test test-images test-piper test-esphome test-marian lint format docs bench peers lock

help: ## This list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "%-14s %s\n", $$1, $$2}'

wakeword: ## Train a wake word: make wakeword PHRASE="hey buster" [OPTIONS="--quick"]
	@test -n "$(PHRASE)" || { echo 'give a phrase: make wakeword PHRASE="hey buster"' >&2; exit 2; }
	$(RUN) wakeword train_wake_word $(OPTIONS) "$(PHRASE)"

an4: ## Speech to text on CMU AN4 in half an hour: make an4 [AN4=data/sources/an4] [OPTIONS="..."]
	@test -d "$(AN4)" || { echo 'unpack http://www.speech.cs.cmu.edu/databases/an4/ (an4_sphere.tar.gz) into data/sources/an4' >&2; exit 2; }
	$(RUN) --volume "$(abspath $(AN4)):/an4:ro" --volume "$(abspath recipes/an4):/recipe:ro" train \
		trainer stt package --settings /recipe/settings.env $(AN4_FILES) $(OPTIONS)

test: ## Unit tests, tiny end-to-end lines, and the models in the real clients (in a container)
	$(COMPOSE) build test
	$(IN_TEST) $(PYTHON) -m pytest -p no:cacheprovider

test-images: ## The images on the real engine: users, mounts, signals, the main job (needs python3-venv and git here)
	tests/images/run

test-piper: ## Piper's path with a tiny generator and voice, in an environment with Torch (needs python3-venv here)
	tests/piper/run

test-esphome: ## The YAML beside a model, checked by ESPHome itself (needs python3-venv here)
	tests/esphome/run

test-marian: ## The code engine's files in Marian itself, beside CTranslate2 (needs python3-venv here)
	tests/marian/run

lint: ## Format, style and types: ruff, mypy, shellcheck (in a container)
	$(COMPOSE) build test
	$(IN_TEST) entrypoints/lint

format: ## Format the code (needs ruff here, in the version of requirements/dev.lock)
	ruff format .
	ruff check --fix-only .

docs: ## Write docs/settings.md from the settings (needs the Python environment here)
	python docs/make_settings.py

bench: ## Speed of every stage next to the plain way and the reference trainer
	$(COMPOSE) build test
	$(IN_TEST) $(PYTHON) -m bench

peers: ## Our wake words beside released ones: make peers PHRASES="alexa" POSITIVES=dir AMBIENT=dir [MODELS=data/output]
	@test -d "$(POSITIVES)" -a -d "$(AMBIENT)" || { echo 'give POSITIVES (a folder for each phrase) and AMBIENT (other audio)' >&2; exit 2; }
	$(COMPOSE) build test
	$(RUN) --volume "$(abspath $(POSITIVES)):/positives:ro" --volume "$(abspath $(AMBIENT)):/ambient:ro" \
		--volume "$(abspath recipes/wakeword):/out" test sh -c 'setup_python_venv --dev >/dev/null && cd /opt/voicekiln && exec "$$@"' sh \
		$(PYTHON) -m bench.peers --positives /positives --ambient /ambient --models $(patsubst data/%,/data/%,$(MODELS)) --out /out $(PHRASES)

lock: ## Resolve pyproject.toml into requirements/*.lock again (needs uv here)
	requirements/lock
