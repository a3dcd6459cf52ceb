"""What a spectrum is made of: families of smooth backgrounds, shapes of signals."""
