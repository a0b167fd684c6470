"""The doors of a house on the web: privacy centre, notice, forms, trust badge, staff console and API.

The only room that knows a web framework. It holds no legal state: what is said is recorded by verbs of `app`.
"""
