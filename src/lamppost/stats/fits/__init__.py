"""A background fitted to a spectrum: the compiled Poisson fit, one for data and toys."""
