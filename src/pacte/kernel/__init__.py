"""The kernel: ids, instants, canonical JSON, errors, redacted values, words on screens, settings, the database."""
