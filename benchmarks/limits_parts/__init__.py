"""Parts of benchmarks/limits.py."""
