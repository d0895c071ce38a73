"""The composition root: the only package that knows every app. It has no models."""

__version__ = "0.1.0"
