"""Labelled comparisons of methods: draws from labelled events, one training per draw, strength and method."""
