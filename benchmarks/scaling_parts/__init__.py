"""The parts of `benchmarks/scaling.py`: measuring tasks, the cost model, the page."""
