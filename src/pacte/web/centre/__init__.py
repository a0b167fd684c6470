"""The privacy centre: what is held of the person who is signed in, for what, and what they want of it."""
