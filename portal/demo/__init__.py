"""The demo: two teams, their people, a small shop, and jobs that work on it."""
