"""The parts of `benchmarks/methods.py`: common tables, configurations, one module per kind of run, and the page."""
