-- Rolls the orders up into one row per day. All statements run in one transaction:
-- if one fails, nothing has happened. Running it again gives the same table.
CREATE TABLE IF NOT EXISTS daily_revenue (
    day TEXT PRIMARY KEY,
    order_count INTEGER NOT NULL,
    revenue_cents INTEGER NOT NULL,
    refunded_cents INTEGER NOT NULL
);

DELETE FROM daily_revenue;

INSERT INTO daily_revenue (day, order_count, revenue_cents, refunded_cents)
SELECT date(ordered_at),
       count(*),
       sum(CASE WHEN status <> 'refunded' THEN amount_cents ELSE 0 END),
       sum(CASE WHEN status = 'refunded' THEN amount_cents ELSE 0 END)
  FROM orders
 GROUP BY date(ordered_at);

-- The rows of the last query are kept with the run.
SELECT day, order_count, revenue_cents / 100.0 AS revenue, refunded_cents / 100.0 AS refunded
  FROM daily_revenue
 ORDER BY day DESC
 LIMIT 14;
