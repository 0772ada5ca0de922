"""What `talknow bench cobrowse` has to keep beside rrweb: the ratios of one run, each with its bound."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from rich.table import Table

from benchmarks import harness


class Bound(Struct, frozen=True):
    """What a ratio to rrweb may be: on every workload, for those named, and at the median of all.

    most: None for a figure that is shown and not judged.
    """

    most: float | None
    named: dict[str, float]
    median: float | None = None


BOUNDS = {
    "cobrowse.bytes_raw": Bound(1 / 3, {"animation": 0.40}, 0.10),
    "cobrowse.bytes_sent": Bound(0.8, {"ticker": 1.0}, 0.25),
    "cobrowse.script_ms": Bound(0.5, {"ticker": 1.1}),
    "cobrowse.capture_ms": Bound(None, {}),
    "cobrowse.longest_task_ms": Bound(1 / 3, {}),
    "cobrowse.latency_ms": Bound(0.5, {"churn": 1.0}),
    "cobrowse.snapshot_ms": Bound(1 / 20, {}),
}
# Where the tail may be as long as rrweb's, the middle may not.
CHURN_P50 = 0.8
BIG_PAGE = 14_000


def ratios(found: Sequence[harness.Row]) -> Table:
    """Ours to rrweb's, with the bound that each must keep."""
    table = Table(title="talknow / rrweb", title_justify="left")
    for title in ("figure", "workload", "talknow", "rrweb", "ratio", "bound", ""):
        table.add_column(title, justify="left" if title in ("figure", "workload", "") else "right")
    for name, bound in BOUNDS.items():
        shares = []
        for ours, theirs, workload, nodes in _pairs(found, name):
            share = ours / theirs if theirs else 0.0
            shares.append(share)
            most = bound.named.get(workload, bound.most)
            counts = nodes >= BIG_PAGE or name != "cobrowse.longest_task_ms"
            counts = counts and (workload == "storm" or name != "cobrowse.snapshot_ms")
            counted = most if counts else None
            judged = ("", "") if counted is None else (f"{counted:.3g}", "" if share <= counted else "over")
            table.add_row(name, workload, f"{ours:g}", f"{theirs:g}", f"{share:.3f}", *judged)
        if shares:
            median = harness.percentile(shares, 0.5)
            limit = "" if bound.median is None else f"{bound.median:.3g}"
            over = "over" if bound.median is not None and median > bound.median else ""
            table.add_row(name, "(median)", "", "", f"{median:.3f}", limit, over, style="bold")
    for ours, theirs, workload, _ in _pairs(found, "cobrowse.latency_ms", tail=False):
        if workload == "churn" and theirs:
            share = ours / theirs
            judged = (f"{CHURN_P50:g}", "" if share <= CHURN_P50 else "over")
            table.add_row("(latency p50)", workload, f"{ours:g}", f"{theirs:g}", f"{share:.3f}", *judged)
    return table


def _pairs(
    found: Sequence[harness.Row], name: str, *, tail: bool = True
) -> list[tuple[float, float, str, int]]:
    """(ours, rrweb's, workload, nodes); of latencies p95, or p50 without the tail."""
    value: dict[tuple[str, str], harness.Row] = {
        (r.params["recorder"], r.params["workload"]): r for r in found if r.name == name
    }
    pairs = []
    for (recorder, workload), ours in value.items():
        theirs = value.get(("rrweb", workload))
        if recorder == "talknow" and theirs is not None:
            a, b = (r.p95 if tail and name == "cobrowse.latency_ms" else r.p50 for r in (ours, theirs))
            pairs.append((a, b, workload, ours.params["nodes"]))
    return pairs
