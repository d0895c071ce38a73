"""The definitions file: what `apply` reads and `export` writes (YAML, version 1)."""
