"""The gate, the only door: decide for one person, decide for a population, permit, explain, replay, stop."""
