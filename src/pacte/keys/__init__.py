"""Keys: one data key and one evidence key per person, kept apart from the data, wrapped, shredded for good."""
