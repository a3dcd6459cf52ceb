"""One mass and everything uncertain about it: nuisances, significance, CLs limits, impacts, pulls."""
