"""Make what a reader may see: views, timeline items and offers, seals opened, per role.

Pure but for the opened seals. The visitor sees no notes, no page trail, no verified ids of others,
and wrap-up as the end. Source: docs/protocol.md, sections 2 and 4.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Any, assert_never

from msgspec import Struct

from server.sealing import ERASED, Box, Content
from signaling import timeline as tl
from signaling.protocol import (
    SNAPSHOT_ITEMS,
    AskView,
    CallItem,
    CallView,
    CobrowseItem,
    CobrowseView,
    ConsentItem,
    EngagementSnapshot,
    EngagementView,
    GrantView,
    JoinedItem,
    LeftItem,
    LegMode,
    LegView,
    MarkView,
    MessageItem,
    NoteItem,
    OfferMade,
    Page,
    PageItem,
    ParticipantId,
    ParticipantView,
    PhaseItem,
    PhaseName,
    RoleName,
    TimelineItem,
    VideoItem,
    ViewerView,
)
from signaling.roles import SILENT
from signaling.state import Engagement, Participant, Phase


class Names(Struct):
    """Agents' display names by id; the visitor's name is sealed in the engagement."""

    agents: dict[ParticipantId, str]

    def agent(self, participant: ParticipantId) -> str:
        return self.agents.get(participant, "Agent")


def view(state: Engagement, box: Box, names: Names, role: RoleName) -> EngagementView:
    """The engagement without its timeline, as `role` may see it."""
    for_visitor = role == "visitor"
    phase = Phase.ENDED if for_visitor and state.phase is Phase.WRAP_UP else state.phase
    shown = [p for p in state.participants.values() if not (for_visitor and _only_listens(state, p.id))]
    return EngagementView(
        id=state.id,
        site=state.site,
        phase=phase.value,
        seq=state.seq,
        opened_ms=state.opened_ms,
        queued_ms=state.queued_ms,
        ended_ms=state.ended_ms,
        end_reason=state.end_reason,
        participants=[participant(state, p, box, names, role) for p in shown],
        call=call(state, role),
        marks=[MarkView(p.id, p.delivered, p.read) for p in shown],
        agent=state.agent,
        page=None if for_visitor else box.open(state.page, Page),
        wrap_up_due_ms=0 if for_visitor else state.timers.get("wrap_up", 0),
        cobrowse=cobrowse(state, names, role),
    )


def cobrowse(state: Engagement, names: Names, role: RoleName) -> CobrowseView:
    """The shared page. Its code is for the visitor to tell; what was hidden is the agents' concern."""
    for_visitor = role == "visitor"
    return CobrowseView(
        state=state.cobrowse.value,
        requested_by=state.cobrowse_by,
        since_ms=state.cobrowse_ms,
        asks=[AskView(capability, list(ask.kinds), ask.by) for capability, ask in state.asks.items()],
        grants=[
            GrantView(
                *(g.id, capability, list(g.kinds), g.origin, g.at_ms, g.expires_ms, g.holder),
                holder_name=names.agent(g.holder) if g.holder else "",
            )
            for capability, g in state.grants.items()
        ],
        viewers=[ViewerView(who, names.agent(who), since_ms) for who, since_ms in state.viewers.items()],
        masked=0 if for_visitor else state.masked,
        code=state.code if for_visitor else "",
        code_due_ms=state.timers.get("code", 0) if for_visitor else 0,
    )


def participant(
    state: Engagement, who: Participant, box: Box, names: Names, role: RoleName
) -> ParticipantView:
    is_visitor = who.id == state.visitor
    return ParticipantView(
        id=who.id,
        role=who.role,
        name=visitor_name(state, box) if is_visitor else names.agent(who.id),
        presence=who.presence.value,
        away_reason=who.away_reason,
        verified=is_visitor and state.verified,
        verified_id=(box.open(state.subject, str) or "") if is_visitor and role != "visitor" else "",
    )


def visitor_name(state: Engagement, box: Box) -> str:
    if state.name is None:
        return anonymous_name(state.visitor)
    return box.open(state.name, str) or ERASED


def anonymous_name(visitor: ParticipantId) -> str:
    """Four digits of the id, so that an agent can tell two strangers apart."""
    return f"Visitor {zlib.crc32(visitor.encode()) % 9_000 + 1_000}"


def _only_listens(state: Engagement, who: ParticipantId) -> bool:
    leg = state.leg_of(who)
    mode: LegMode = leg.mode if leg is not None else "talk"
    return mode in SILENT


def call(state: Engagement, role: RoleName) -> CallView:
    """The call with its legs; a visitor does not see those who only listen."""
    legs = [
        LegView(
            id=leg.id,
            participant=leg.participant,
            state="awaiting_path" if leg.path is None else "connected",
            device=leg.device,
            muted=leg.muted,
            video=leg.video,
            screen=leg.screen > 0,
            mode=leg.mode,
            seat=leg.seat,
        )
        for leg in state.legs.values()
        if role != "visitor" or leg.mode not in SILENT
    ]
    return CallView(
        state=state.call.value,
        video_wanted=state.video_wanted,
        suggestion=state.suggestion,
        suggested_by=state.suggested_by,
        connected_ms=state.connected_ms,
        legs=legs,
        direct=state.direct,
    )


def items(
    drafts: Iterable[tl.Draft], state: Engagement, box: Box, names: Names, role: RoleName
) -> list[TimelineItem]:
    """What `role` may see of the drafts, opened."""
    allowed = (draft for draft in drafts if not (draft.agents_only and role == "visitor"))
    return [item(draft, state, box, names, role) for draft in allowed]


def item(draft: tl.Draft, state: Engagement, box: Box, names: Names, role: RoleName) -> TimelineItem:
    common: dict[str, Any] = {"seq": draft.seq, "at_ms": draft.at_ms, "by": draft.by}
    name = visitor_name(state, box) if draft.by == state.visitor else names.agent(draft.by)
    match draft:
        case tl.MessageDraft(content=sealed, device=device, counter=counter):
            content = box.open(sealed, Content) or Content(ERASED)
            return MessageItem(**common, text=content.text, device=device, counter=counter, file=content.file)
        case tl.JoinedDraft(role=joined):
            return JoinedItem(**common, name=name, role=joined)
        case tl.LeftDraft():
            return LeftItem(**common, name=name)
        case tl.CobrowseDraft():
            return _cobrowse_item(draft, common, name)
        case tl.CallDraft(what=what, media=media, duration_ms=duration_ms):
            return CallItem(**common, what=what, media=media, duration_ms=duration_ms)
        case tl.VideoDraft(on=on, media=media):
            return VideoItem(**common, on=on, media=media)
        case tl.ConsentDraft(capability=capability):
            return ConsentItem(**common, capability=capability)
        case tl.PageDraft() | tl.NoteDraft():
            return _sealed_item(draft, common, box)
        case tl.PhaseDraft(phase=phase, reason=reason):
            return PhaseItem(draft.seq, draft.at_ms, _shown_phase(phase, role), reason)
        case _:
            assert_never(draft)  # type: ignore[arg-type]


def _sealed_item(draft: tl.PageDraft | tl.NoteDraft, common: dict[str, Any], box: Box) -> TimelineItem:
    if isinstance(draft, tl.PageDraft):
        return PageItem(**common, page=box.open(draft.page, Page) or Page(ERASED))
    return NoteItem(**common, code=draft.code, text=box.open(draft.note, str) or "")


def _shown_phase(phase: PhaseName, role: RoleName) -> PhaseName:
    return "ended" if role == "visitor" and phase == "wrap_up" else phase


def _cobrowse_item(draft: tl.CobrowseDraft, common: dict[str, Any], name: str) -> CobrowseItem:
    fields = {field: getattr(draft, field) for field in _COBROWSE_FIELDS}
    return CobrowseItem(**common, **fields, name=name, kinds=list(draft.kinds))


_COBROWSE_FIELDS = ("what", "capability", "origin", "expires_ms", "wording_sha256", "language", "count")


def snapshot(
    state: Engagement, drafts: Sequence[tl.Draft], box: Box, names: Names, role: RoleName, after_seq: int = 0
) -> EngagementSnapshot:
    """View and all visible items after `after_seq`, the newest SNAPSHOT_ITEMS of them."""
    newer = [draft for draft in drafts if draft.seq > after_seq]
    shown = items(newer, state, box, names, role)
    return EngagementSnapshot(
        view=view(state, box, names, role),
        items=shown[-SNAPSHOT_ITEMS:],
        after_seq=after_seq,
        truncated=len(shown) > SNAPSHOT_ITEMS,
    )


def offer(state: Engagement, box: Box, names: Names, now_ms: int) -> OfferMade:
    """What an agent needs to decide: who, what, on which page, waiting since when."""
    content: Any = box.open(state.first_content, Content)
    who = state.participants[state.visitor]
    assert state.offer is not None
    return OfferMade(
        offer=state.offer,
        engagement=state.id,
        due_ms=state.offer_due_ms,
        remaining_ms=max(0, state.offer_due_ms - now_ms),
        waiting_since_ms=state.queued_ms,
        visitor=participant(state, who, box, names, "agent"),
        wants=state.wants,
        first_text=content.text if content is not None else "",
        page=box.open(state.page, Page),
    )
