"""Several nodes: what holds across them, and when one of them is gone."""
