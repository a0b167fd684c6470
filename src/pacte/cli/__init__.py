"""The command line: every verb of a house, readable by people and, with `--json`, by programs."""
