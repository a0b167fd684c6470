"""Measurements beside plain baselines: `python -m bench`, or `make bench`."""
