"""The parts of `benchmarks/learn.py`: data, figures of merit, isolated timing, and one module per subcommand."""
