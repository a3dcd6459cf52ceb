"""The bump hunt: a signal at every mass, every choice repeated in toys, what looking elsewhere costs."""
