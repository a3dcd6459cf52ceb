"""Limits by injection: what the whole analysis excludes, its trainings included."""
