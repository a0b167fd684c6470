"""Fictional worlds to try pacte on: a retailer with its customers, and identities beside a public set of purchases."""
