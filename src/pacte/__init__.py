"""pacte: use customers' data with their agreement, through one gate that proves it had the right."""

__version__ = "0.1.0"
