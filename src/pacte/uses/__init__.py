"""Uses: what is done with data. Each takes a permit; none knows another."""
