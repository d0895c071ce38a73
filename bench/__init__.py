"""Figures of the portal, each beside its baseline measured in the same run: `make bench`.

One JSON line per figure. `--quick` takes small sizes, `--sqlite` forces the embedded default.
"""
