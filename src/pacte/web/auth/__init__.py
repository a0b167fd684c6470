"""Signing in: customers by a link, a passkey or their company's word; staff by a password and a second factor."""
