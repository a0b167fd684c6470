"""The façade: opens a house, wires the rooms, and lends each verb its transaction, its clock and its keys."""
