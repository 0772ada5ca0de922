"""Accounts, credentials and files: what is not an engagement's event (SQLAlchemy Core, one thread)."""
