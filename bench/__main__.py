"""`python -m bench [--quick] [--sqlite] [--only NAME …]`: a JSON line per figure, then the table."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time

from bench.figure import Figure
from bench.place import Place


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description="Measure the portal beside its baselines.")
    parser.add_argument("--quick", action="store_true", help="small sizes: does it work, not how fast is it")
    parser.add_argument("--sqlite", action="store_true", help="the embedded default, also where servers answer")
    parser.add_argument("--only", action="append", default=[], help="a group of figures; may be given several times")
    options = parser.parse_args()
    measured: list[Figure] = []
    with Place(sqlite=options.sqlite) as place:
        import django

        django.setup()
        from bench.figures import groups

        found = groups()
        unknown = sorted(set(options.only) - set(found))
        if unknown:
            parser.error(f"there is no group {unknown[0]!r}: choose from {', '.join(found)}")
        about = {"cpus": os.cpu_count(), "python": platform.python_version(), "platform": sys.platform}
        for name, group in found.items():
            if options.only and name not in options.only:
                continue
            place.tidy()
            began = time.perf_counter()
            for figure in group.measure(place, quick=options.quick):
                took = round(time.perf_counter() - began, 1)
                line = figure.line() | {"group": name, "place": place.words, "seconds": took} | about
                print(json.dumps(line, ensure_ascii=False), flush=True)
                measured.append(figure)
    print(table(measured), file=sys.stderr)


def table(figures: list[Figure]) -> str:
    """What people read: a row per figure."""
    lines = [f"{'figure':<64} {'value':>12} {'ratio':>8}  {'target':<14} verdict"]
    for figure in figures:
        facts = figure.line()
        ratio = "" if facts["ratio"] is None else f"{facts['ratio']:.3g}"
        value = f"{figure.value:,.4g} {figure.unit}"
        lines.append(f"{figure.name:<64} {value:>12} {ratio:>8}  {facts['target'] or '':<14} {figure.verdict}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
