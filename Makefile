# Short names for the scripts; each sets up the environment first where that is needed.

.PHONY: check test demo lock sample wheel

check:
	bash scripts/check.sh

test:
	bash scripts/test.sh

demo:
	bash scripts/demo.sh

lock:
	bash scripts/lock.sh

sample:
	bash scripts/setup.sh
	.venv/bin/python scripts/make_sample.py

wheel:
	bash scripts/setup.sh
	.venv/bin/python -m hatchling build -t wheel
