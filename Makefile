.PHONY: install check format test fast demo

install:  ## everything a contributor needs, into the active environment
	pip install -e ".[dev]"

check:  ## format, lint, types and import contracts: what CI checks before the tests
	ruff format --check .
	ruff check .
	mypy
	lint-imports

format:  ## bring the code into form
	ruff format .
	ruff check --fix .

test:  ## all tests
	pytest

fast:  ## tests without the slow ones, for every save
	pytest -m "not slow"

demo:  ## the study of the README
	python study/run.py --variant cross
