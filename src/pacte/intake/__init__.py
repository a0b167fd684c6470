"""Intake: how data arrive. Files are read row by row, checked, and entered; what cannot be entered is set aside."""
