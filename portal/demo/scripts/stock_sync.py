"""Fetches the stock from a warehouse whose door sticks: the first try of a run fails, the second succeeds.

An uncaught exception is a technical failure; the job retries it with a growing delay.
$PORTAL_ATTEMPT is 1 on the first try of a run.
"""

import os
import random
import time


class WarehouseError(Exception):
    """The warehouse did not answer."""


def fetch_stock(attempt):
    print(f"Connecting to the warehouse, attempt {attempt} …")
    time.sleep(0.5)
    if attempt == 1:
        raise WarehouseError("the connection was reset by the warehouse")
    dice = random.Random(os.environ["PORTAL_RUN_ID"])
    return {f"SKU-{number:03d}": dice.randint(0, 250) for number in range(1, 15)}


stock = fetch_stock(int(os.environ["PORTAL_ATTEMPT"]))
for sku, count in stock.items():
    print(f"{sku}  {count:>4}{'   reorder' if count < 20 else ''}")
with open(os.environ["PORTAL_OUTPUT"], "a", encoding="utf-8") as outputs:
    outputs.write(f"skus={len(stock)}\npieces={sum(stock.values())}\n")
