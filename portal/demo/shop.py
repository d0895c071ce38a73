"""A small shop to work on: a SQLite database and CSV files. The same day gives the same shop."""

from __future__ import annotations

import csv
import os
import random
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

DAYS = 60
CSV_DAYS = 14
SEED = 20260101

PRODUCTS = {
    "zh-hans": [
        ("龙井绿茶 250 克", "茶叶", 12800), ("普洱茶饼 357 克", "茶叶", 25800), ("茉莉花茶 200 克", "茶叶", 6800),
        ("手冲咖啡壶", "器具", 19900), ("青瓷茶杯", "器具", 5900), ("紫砂壶", "器具", 46800), ("竹制茶盘", "器具", 15900),  # noqa: E501
        ("云南咖啡豆 500 克", "咖啡", 8900), ("意式拼配咖啡豆 1 千克", "咖啡", 13900), ("挂耳咖啡 20 包", "咖啡", 7900),
        ("绿豆糕礼盒", "点心", 4900), ("凤梨酥礼盒", "点心", 6900), ("牛轧糖 500 克", "点心", 3900),
        ("桂花蜂蜜 500 克", "点心", 5600),
    ],
    "en": [
        ("Longjing green tea 250 g", "tea", 12800), ("Pu'er tea cake 357 g", "tea", 25800),
        ("Jasmine tea 200 g", "tea", 6800), ("Pour-over kettle", "ware", 19900), ("Celadon tea cup", "ware", 5900),
        ("Clay teapot", "ware", 46800), ("Bamboo tea tray", "ware", 15900),
        ("Yunnan coffee beans 500 g", "coffee", 8900),
        ("Espresso blend 1 kg", "coffee", 13900), ("Drip coffee bags, 20", "coffee", 7900),
        ("Mung bean cakes, gift box", "sweets", 4900), ("Pineapple cakes, gift box", "sweets", 6900),
        ("Nougat 500 g", "sweets", 3900), ("Osmanthus honey 500 g", "sweets", 5600),
    ],
}  # fmt: skip
CITIES = {
    "zh-hans": ["上海", "北京", "广州", "深圳", "杭州", "成都", "武汉", "西安", "南京", "重庆"],
    "en": ["Shanghai", "Beijing", "Guangzhou", "Shenzhen", "Hangzhou", "Chengdu", "Wuhan", "Xi'an",
            "Nanjing", "Chongqing"],
}  # fmt: skip
NAMES = {
    "zh-hans": (
        list("王李张刘陈杨赵黄周吴徐孙"),
        ["伟", "芳", "娜", "敏", "静", "强", "磊", "洋", "艳", "勇", "军", "杰"],
    ),
    "en": (
        ["Wang ", "Li ", "Zhang ", "Liu ", "Chen ", "Yang ", "Zhao ", "Huang ", "Zhou ", "Wu ", "Xu ", "Sun "],
        ["Wei", "Fang", "Na", "Min", "Jing", "Qiang", "Lei", "Yang", "Yan", "Yong", "Jun", "Jie"],
    ),
}
SCHEMA = """
CREATE TABLE products (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, category TEXT NOT NULL, price_cents INTEGER NOT NULL
);
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT NOT NULL, joined_on TEXT NOT NULL);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers(id), ordered_at TEXT NOT NULL,
    product_id INTEGER NOT NULL REFERENCES products(id), quantity INTEGER NOT NULL, amount_cents INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('paid', 'shipped', 'refunded'))
);
CREATE TABLE refunds (
    id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL UNIQUE REFERENCES orders(id), refunded_on TEXT NOT NULL,
    amount_cents INTEGER NOT NULL, reason TEXT NOT NULL
);
CREATE INDEX orders_ordered_at ON orders (ordered_at);
"""

Row = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Shop:
    """The rows of each table, in the order of its columns."""

    products: list[Row]
    customers: list[Row]
    orders: list[Row]
    refunds: list[Row]


def make_shop(today: date, language: str) -> Shop:
    """A shop with some 2,500 orders in the 60 days up to and with `today`; more on weekends, a few refunds."""
    dice = random.Random(SEED)  # noqa: S311 - the same shop each time is the point
    words = "zh-hans" if language.startswith("zh") else "en"
    first = today - timedelta(days=DAYS - 1)
    products: list[Row] = [(n, *item) for n, item in enumerate(PRODUCTS[words], start=1)]
    customers = [_customer(n, words, first, dice) for n in range(1, 241)]
    orders: list[Row] = []
    for day in (first + timedelta(days=n) for n in range(DAYS)):
        busy = dice.randint(34, 46) + (14 if day.weekday() >= 5 else 0)
        orders += [_order(len(orders) + 1 + n, day, products, dice) for n in range(busy)]
    refunds = [_refund(n, order, dice) for n, order in enumerate((o for o in orders if o[6] == "refunded"), start=1)]
    return Shop(products=products, customers=customers, orders=orders, refunds=refunds)


def _customer(number: int, words: str, first: date, dice: random.Random) -> Row:
    family, given = NAMES[words]
    joined = first - timedelta(days=dice.randint(1, 900))
    return (number, dice.choice(family) + dice.choice(given), dice.choice(CITIES[words]), joined.isoformat())


def _order(number: int, day: date, products: Sequence[Row], dice: random.Random) -> Row:
    product = dice.choice(products)
    quantity = dice.choices([1, 2, 3, 5], weights=[60, 25, 10, 5])[0]
    at = datetime.combine(day, time(dice.randint(8, 22), dice.randint(0, 59), dice.randint(0, 59)))
    status = dice.choices(["shipped", "paid", "refunded"], weights=[80, 17, 3])[0]
    moment = at.isoformat(sep=" ")
    return (number, dice.randint(1, 240), moment, product[0], quantity, product[3] * quantity, status)


def _refund(number: int, order: Row, dice: random.Random) -> Row:
    reason = dice.choice(["damaged", "late", "wrong item", "changed mind"])
    return (number, order[0], order[2][:10], order[5], reason)


def write_database(path: Path, shop: Shop) -> None:
    """The database, complete or not there at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".half")
    half.unlink(missing_ok=True)
    with closing(sqlite3.connect(half)) as database:
        database.executescript(SCHEMA)
        for table, rows in (
            ("products", shop.products),
            ("customers", shop.customers),
            ("orders", shop.orders),
            ("refunds", shop.refunds),
        ):
            marks = ",".join("?" * len(rows[0]))
            database.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608 - names of our own
        database.commit()
    os.replace(half, path)


def write_csv(folder: Path, shop: Shop) -> None:
    """A file of orders for each of the last 14 days, the products, and a supplier's price list with broken rows."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {row[0]: row[1] for row in shop.products}
    days = sorted({order[2][:10] for order in shop.orders})[-CSV_DAYS:]
    for day in days:
        rows = [
            (order[0], order[2], names[order[3]], order[4], f"{order[5] / 100:.2f}", order[6])
            for order in shop.orders
            if order[2].startswith(day)
        ]
        _write(folder / f"orders-{day}.csv", ("id", "ordered_at", "product", "quantity", "amount", "status"), rows)
    _write(
        folder / "products.csv",
        ("id", "name", "category", "price"),
        [(row[0], row[1], row[2], f"{row[3] / 100:.2f}") for row in shop.products],
    )
    prices = [(row[0], row[1], "n/a" if row[0] % 5 == 0 else f"{row[3] * 0.6 / 100:.2f}") for row in shop.products]
    _write(folder / "supplier-prices.csv", ("id", "name", "price"), prices)


def _write(path: Path, header: Sequence[str], rows: Iterable[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8-sig") as file:  # the mark lets Excel read Chinese
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
