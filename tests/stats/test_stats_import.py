"""What importing the statistics costs."""

import subprocess
import sys


def test_import_is_cheap() -> None:
    """Neither the compiler nor scipy.stats is loaded before the first fit."""
    code = "import sys, lamppost.stats; print(*[m for m in ('numba', 'scipy.stats', 'pandas') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
