"""A mail server for trying things out: it delivers nothing and keeps what it is given, for people to look at."""
