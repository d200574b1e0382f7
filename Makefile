COMPOSE ?= docker compose
RUN = $(COMPOSE) run --rm
IN_TEST = $(RUN) test sh -c 'setup_python_venv --dev >/dev/null && cd /opt/voicekiln && exec "$$@"' sh
PYTHON = /data/.venv/bin/python

.PHONY: help wakeword test test-images test-piper lint bench lock

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "%-14s %s\n", $$1, $$2}'

wakeword: ## Train a wake word: make wakeword PHRASE="hey buster" [OPTIONS="--quick"]
	@test -n "$(PHRASE)" || { echo 'give a phrase: make wakeword PHRASE="hey buster"' >&2; exit 2; }
	$(RUN) wakeword train_wake_word $(OPTIONS) "$(PHRASE)"

test: ## Unit tests, tiny end-to-end lines, and the models in the real client (in a container)
	$(COMPOSE) build test
	$(IN_TEST) $(PYTHON) -m pytest -p no:cacheprovider

test-images: ## The images on the real engine: users, mounts, signals, the main job (needs python3-venv and git here)
	tests/images/run

test-piper: ## Piper's path with a tiny generator and voice, in an environment with Torch (needs python3-venv here)
	tests/piper/run

lint: ## ruff, mypy, shellcheck (in a container)
	$(COMPOSE) build test
	$(IN_TEST) entrypoints/lint

bench: ## Speed of every stage beside the plain way and the reference trainer
	$(COMPOSE) build test
	$(IN_TEST) $(PYTHON) -m bench

lock: ## Resolve pyproject.toml into requirements/*.lock again (needs uv here)
	requirements/lock
