"""The formats that the records of a house have had, one step from each to the next.

A step is explicit and never changes once it was released: it makes what its day's tables were, whatever the tables of
today are. `app.formats` walks them.
"""
