"""`python -m benchmarks`: Upwell against its peers and its limits, each figure as a ratio of one run on one machine."""

import argparse
import os
import platform
import sys
import time

from benchmarks.figures import Figure, publish
from benchmarks.measurements import ALL
from benchmarks.processes import cores


def arguments() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=sorted(ALL), nargs="+", help="some of the measurements")
    parser.add_argument("--full", action="store_true", help="longer and more: a journal of a million events, …")
    return parser.parse_args()


def main() -> int:
    """Measure, and publish what there is even when a measurement fails; 1 if one did."""
    options = arguments()
    figures: list[Figure] = []
    failed = []
    load = os.getloadavg()[0]
    for name in options.only or ALL:
        print(f"benchmarks: {name}", file=sys.stderr)
        started = time.monotonic()
        try:
            figures += ALL[name](full=options.full)
        except Exception as problem:  # noqa: BLE001  # the other figures are worth having
            failed.append(name)
            print(f"benchmarks: {name} failed: {problem!r}", file=sys.stderr)
        print(f"benchmarks: {name} took {time.monotonic() - started:.0f} s", file=sys.stderr)
    publish(
        figures,
        {
            "python": platform.python_version(),
            "cores": cores(),
            "load_at_start": load,
            "full": options.full,
            "failed": failed,
        },
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
