"""Events counted above an expected background, and the ABCD estimate of it."""
