"""Names of the two kinds of actors: an engagement (`e:ID`) and the queue of a site (`q:SITE`)."""

from __future__ import annotations

from signaling.protocol import ActorId, EngagementId, SiteId


def engagement_actor(engagement: str) -> ActorId:
    return ActorId(f"e:{engagement}")


def routing_actor(site: str) -> ActorId:
    return ActorId(f"q:{site}")


def engagement_of(actor: ActorId) -> EngagementId | None:
    """The engagement an actor is, or None for a queue."""
    return EngagementId(actor[2:]) if actor.startswith("e:") else None


def site_of(actor: ActorId) -> SiteId | None:
    return SiteId(actor[2:]) if actor.startswith("q:") else None
