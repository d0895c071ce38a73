"""Reads a supplier's price list that holds broken rows, and fails on them: a technical failure that gives up.

The traceback is in the log, the cause on the run's page; after its retries the run stays failed.
"""

import csv
import os
from pathlib import Path

path = Path(os.environ["DEMO_CSV"]) / "supplier-prices.csv"
with path.open(newline="", encoding="utf-8-sig") as file:
    for row in csv.DictReader(file):
        price = float(row["price"])
        print(f"{row['id']:>3}  {row['name']}: {price:.2f}")
