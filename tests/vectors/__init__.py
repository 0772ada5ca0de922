"""One vector of each record and wire message, kept for ever: what was written must stay readable.

`python -m tests.vectors.make` adds vectors for new tags; it never changes one that is here.
"""
