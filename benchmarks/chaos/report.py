"""A run in words, for `docs/reports/`: what was done, what was promised, what was found."""

from __future__ import annotations

import argparse
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import harness
from benchmarks.chaos.run import Outcome, again


def write(file: Path, outcome: Outcome, options: argparse.Namespace) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text(outcome, options))


def text(outcome: Outcome, options: argparse.Namespace) -> str:
    verdict = outcome.verdict
    done = ", ".join(
        f"{kind} {count}" for kind, count in sorted(Counter(b.kind for b in outcome.blows).items())
    )
    unanswered = f"{verdict.unanswered:,} tries without an answer, {verdict.refused:,} refused"
    lines = [
        f"# Chaos, {datetime.now(UTC):%Y-%m-%d}: {'nothing lost' if outcome.fine else 'BROKEN'}",
        "",
        f"`{again(options)}`, {outcome.took_s / 60:.1f} minutes, commit {harness.commit()}, "
        f"{harness.machine()}. Three nodes, Redis, PostgreSQL and everybody who used them on this machine.",
        "",
        f"Done to them: {done}.",
        "",
        "| promise | found | checked |",
        "|---|---|---|",
        f"| an acked message is stored, at its place | lost {verdict.lost} | {verdict.acked:,} acks |",
        f"| once | duplicated {verdict.duplicated} | also {unanswered} |",
        f"| in one order for all readers | reordered {verdict.reordered} | the same |",
        f"| whole, for whoever stays connected | missed {verdict.missed} | the same |",
        f"| nowhere else | foreign {verdict.foreign} | {verdict.deliveries:,} messages sent and read |",
        f"| places in the queue only get better | displaced {verdict.displaced} | {verdict.places:,} |",
        f"| who looks at a shared page sees that page | torn {verdict.torn} | {verdict.frames:,} frames |",
        f"| one agent gets it | twice taken {verdict.twice_taken} | every engagement |",
        "",
        "| back after | of | n | p50 | p95 | max |",
        "|---|---|---|---|---|---|",
    ]
    back = (
        ("signaling", outcome.signaling_back_s),
        ("call audio", outcome.audio_back_s),
        ("shared page", outcome.page_back_s),
    )
    for name, by_kind in back:
        for kind, seconds in sorted(by_kind.items()):
            p50, p95 = (harness.percentile(seconds, share) for share in (0.5, 0.95))
            figures = f"{p50:.2f} s | {p95:.2f} s | {max(seconds):.2f} s"
            lines.append(f"| {kind} | {name} | {len(seconds)} | {figures} |")
    if outcome.drain_gap_s:
        gaps = [1_000 * seconds for seconds in outcome.drain_gap_s]
        p50, p95 = (harness.percentile(gaps, share) for share in (0.5, 0.95))
        lines += ["", f"Longest time without a packet in a call that a drain moved ({len(gaps)}): "]
        lines[-1] += f"p50 {p50:.0f}, p95 {p95:.0f}, max {max(gaps):.0f} ms."
    if verdict.examples:
        lines += ["", "Found:", "", *(f"- {example}" for example in verdict.examples)]
    if outcome.slow:
        lines += ["", "What happened in the longest silences:", "", *(f"- {story}" for story in outcome.slow)]
    lines += [
        "",
        f"Nodes that ended by themselves, and stack traces in their logs: {len(outcome.errors)}. "
        f"Stuck in the end: {len(outcome.stuck)}.",
        "",
    ]
    return "\n".join(lines)
