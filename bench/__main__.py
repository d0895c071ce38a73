"""`python -m bench [--quick] [--sqlite] [--only NAME]`."""

from __future__ import annotations

import argparse
import json
import time

from bench.place import Place


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description="Measure the portal beside its baselines.")
    parser.add_argument("--quick", action="store_true", help="small sizes: does it work, not how fast is it")
    parser.add_argument("--sqlite", action="store_true", help="the embedded default, also where servers answer")
    parser.add_argument("--only", choices=["runs", "latency", "tick"], help="one group of figures")
    options = parser.parse_args()
    with Place(sqlite=options.sqlite) as place:
        import django

        django.setup()
        from bench import figures

        quick = options.quick
        groups = {
            "runs": lambda: figures.recorded_runs(place, 30 if quick else 1000),
            "latency": lambda: figures.first_line(place, 5 if quick else 100),
            "tick": lambda: figures.tick_cost(place, (100, 300) if quick else (1000, 10_000), 100 if quick else 1000),
        }
        about = figures.machine() | {"place": place.words}
        for name, group in groups.items():
            if options.only in (None, name):
                began = time.perf_counter()
                for figure in group():
                    took = round(time.perf_counter() - began, 1)
                    print(json.dumps(figure.line() | about | {"seconds": took}, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
