-- Large refunds of the last 60 days. The job is set to report a business failure when rows come back:
-- the check itself worked, and somebody should look at the orders.
SELECT refunds.order_id, refunds.refunded_on, refunds.amount_cents / 100.0 AS amount, refunds.reason,
       customers.name AS customer, customers.city
  FROM refunds
  JOIN orders ON orders.id = refunds.order_id
  JOIN customers ON customers.id = orders.customer_id
 WHERE refunds.amount_cents >= :limit_cents
 ORDER BY refunds.amount_cents DESC
 LIMIT 20;
