"""`python -m lamppost`: the command line."""

from lamppost.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
