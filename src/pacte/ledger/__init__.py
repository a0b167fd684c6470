"""The ledger: what happened, in which order, signed; an append-only log that cannot be rewritten unnoticed."""
