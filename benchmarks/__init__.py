"""Load tests and their harness: `talknow bench NAME`; one file per name. Start with `harness.py`."""
