"""Parts of benchmarks/stats.py."""
