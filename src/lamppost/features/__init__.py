"""Features: from particles to jets to columns."""
