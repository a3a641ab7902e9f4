"""The command line: `rcekd COMMAND`. Exit codes: 0 done, 1 our fault, 2 wrong input, 130 interrupted."""

import os
import sys

from rcekd.errors import INTERRUPTED

# Read once, when torch loads its thread library: a thread that waits sleeps after a short spin. A longer spin gains
# little on idle cores, and on cores that others use too it makes every step of ours wait for whole time slices.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")


def main() -> None:
    """Run the command line and exit. Ctrl-C while torch is still being loaded, before anything is done, ends it too."""
    try:
        from rcekd.commands import application
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    application.main()
