"""The index of engagements in SQL, for both logs: its columns, a row of it, and what a query asks."""

from __future__ import annotations

from server.backend import IndexQuery, Projection

COLUMNS = ", ".join(Projection.__struct_fields__)


def conditions(query: IndexQuery, mark: str) -> tuple[str, list[str]]:
    """WHERE clause and its values; mark: how the driver writes a parameter."""
    clauses: list[str] = ["1 = 1"]
    values: list[str] = []
    for column in ("site", "visitor", "agent"):
        if (value := getattr(query, column)) is not None:
            clauses.append(f"{column} = {mark}")
            values.append(value)
    if query.phases:
        clauses.append(f"phase IN ({', '.join([mark] * len(query.phases))})")
        values.extend(query.phases)
    return " AND ".join(clauses), values
