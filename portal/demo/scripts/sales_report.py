"""Sales report over the order files of one day (or of all days).

What to copy from here:
- print() is the log; it shows up in the portal while the script runs.
- execute_task() is called by the portal; parameters of the run arrive as its arguments,
  and what it returns is kept as the run's result.
- outputs are name=value lines in the file $PORTAL_OUTPUT.
- sys.exit(1) says "business failure": an answer, not an accident, so it is never retried.
  Any exception is a technical failure, and is retried as the job says.
"""

import csv
import os
import sys
from collections import Counter
from pathlib import Path

FOLDER = Path(os.environ["DEMO_CSV"])


def read_orders(day):
    """The orders of one day, or of every day when none is given."""
    for path in sorted(FOLDER.glob(f"orders-{day or '*'}.csv")):
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
        print(f"{path.name}: {len(rows)} orders")
        yield from rows


def write_outputs(**values):
    """Outputs are for conditions, alerts and people in a hurry."""
    with open(os.environ["PORTAL_OUTPUT"], "a", encoding="utf-8") as file:
        for name, value in values.items():
            file.write(f"{name}={value}\n")


def execute_task(day=""):
    orders = list(read_orders(day))
    if not orders:
        print(f"There are no orders for {day or 'any day'}.")
        sys.exit(1)
    paid = [order for order in orders if order["status"] != "refunded"]
    revenue = sum(float(order["amount"]) for order in paid)
    sold = Counter()
    for order in paid:
        sold[order["product"]] += int(order["quantity"])
    best, pieces = sold.most_common(1)[0]

    lines = [f"Orders    {len(orders)}", f"Refunded  {len(orders) - len(paid)}", f"Revenue   {revenue:,.2f}", ""]
    lines += [f"{count:>6}  {product}" for product, count in sold.most_common(5)]
    print("\n".join(["", *lines]))

    summary = FOLDER / "summary.txt"
    summary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_outputs(orders=len(orders), revenue=f"{revenue:.2f}", best_product=best, best_count=pieces)
    return {"orders": len(orders), "revenue": round(revenue, 2), "best_product": best, "summary": str(summary)}
