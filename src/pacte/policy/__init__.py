"""The policy: what the company promises, read from one file and compiled to one table of rules."""
