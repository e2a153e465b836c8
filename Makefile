PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
FORECAST := runs/demo-forecasting
SENTIMENT := runs/demo-sentiment
GENERATION := runs/demo-generation
TRANSLATION := runs/demo-translation
SPEECH := runs/demo-speech

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-all test test-slow lint lock wheel clean

help:  ## show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

setup: $(READY)  ## make .venv with the exact versions of requirements.lock

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name it with: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(READY)

demo: $(READY)  ## train, evaluate, export, verify and ask a model of every task on the demo data
	$(BIN)/python apps/forecasting.py train data/forecasting/sea_surface_temperature.csv $(FORECAST) --config data/forecasting/demo.toml --overwrite
	@echo; echo "The next steps, from the SavedModel:"
	@$(BIN)/python apps/forecasting.py predict $(FORECAST) data/forecasting/sea_surface_temperature.csv \
	  --output $(FORECAST)/forecast.csv
	@head -n 7 $(FORECAST)/forecast.csv
	$(BIN)/python apps/sentiment.py train data/sentiment/reviews.csv $(SENTIMENT) --config data/sentiment/demo.toml --overwrite
	@echo; echo "Two new texts, from the SavedModel:"
	@printf 'Friendly staff, and the soup was hot.\nTwo hours late and nobody said a word.\n' | \
	  $(BIN)/python apps/sentiment.py predict $(SENTIMENT) -
	$(BIN)/python apps/text_generation.py train data/generation/commonplace.jsonl $(GENERATION) --config data/generation/demo.toml --overwrite
	@echo; echo "A text that goes on, from the SavedModel:"
	@$(BIN)/python apps/text_generation.py predict $(GENERATION) --prompt "Dear sister," --temperature 0.7
	$(BIN)/python apps/translation.py train data/translation/english_french $(TRANSLATION) --config data/translation/demo.toml --overwrite
	@echo; echo "Two new sentences, from the SavedModel:"
	@printf 'Where is the red book?\nMy sister does not want to eat.\n' | \
	  $(BIN)/python apps/translation.py predict $(TRANSLATION) -
	$(BIN)/python apps/speech.py train data/speech/digits.csv $(SPEECH) --config data/speech/demo.toml --overwrite
	@echo; echo "Two recordings of a new voice, from the SavedModel:"
	@$(BIN)/python apps/speech.py predict $(SPEECH) data/speech/digits/en-us-f4-mid-three-1.flac \
	  data/speech/digits/en-us-f4-mid-nine-1.flac | cut -d, -f1-3

demo-all: demo  ## every task on its demo data

test: $(READY) lint  ## lint, types and the tests that take under ten seconds
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-slow: $(READY)  ## the slow tests
	$(BIN)/python -m pytest -n 2 -m slow

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lock:  ## resolve the dependencies anew (needs uv)
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-header \
	  --upgrade -o requirements.lock

wheel: $(READY)  ## build the wheel into dist/
	$(BIN)/python -m build --wheel --no-isolation

clean:  ## delete what was made
	rm -rf .venv runs build dist *.egg-info
