"""The one list of tables (SQLAlchemy Core metadata), for SQLite and PostgreSQL alike.

`migrations/` brings a database here; the message path (sqlite_log, postgres_log) writes `events` and
`engagements` with raw statements, everything else goes through `server/records/`.
Personal content is never in a column of its own: it is sealed inside records, or under a key
of `content_keys` (docs/architecture.md, "content").
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

metadata = MetaData()

# The log: one row per event; (actor, seq) dense from 1. kind: the record's tag, for reports.
events = Table(
    "events",
    metadata,
    Column("actor", String(96), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("record", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

# Who may append for an actor: the epoch grows with every claim.
ownership = Table(
    "ownership",
    metadata,
    Column("actor", String(96), primary_key=True),
    Column("node", String(64), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("ownership_by_node", ownership.c.node)

# The folded state of an endless actor (routing) as of seq.
checkpoints = Table(
    "checkpoints",
    metadata,
    Column("actor", String(96), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("state", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

# Index of engagements, written in the append's transaction; rebuilt from the log at any time.
engagements = Table(
    "engagements",
    metadata,
    Column("engagement", String(64), primary_key=True),
    Column("site", String(64), nullable=False),
    Column("visitor", String(64), nullable=False),
    Column("agent", String(64)),
    Column("phase", String(16), nullable=False),
    Column("opened_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger, nullable=False, server_default="0"),
)
Index("engagements_by_visitor", engagements.c.site, engagements.c.visitor, engagements.c.opened_ms)
Index("engagements_by_agent", engagements.c.site, engagements.c.agent, engagements.c.phase)
Index("engagements_by_phase", engagements.c.phase, engagements.c.site)

# One data key per data subject and engagement; dropping the row erases the content.
content_keys = Table(
    "content_keys",
    metadata,
    Column("engagement", String(64), primary_key=True),
    Column("subject", String(64), nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
Index("content_keys_by_subject", content_keys.c.subject)

agents = Table(
    "agents",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("site", String(64), nullable=False),
    Column("login", String(120), nullable=False, unique=True),
    Column("name", String(120), nullable=False),
    Column("role", String(16), nullable=False),
    Column("password_hash", String(255), nullable=False),
    Column("capacity", Integer, nullable=False, server_default="3"),
    Column("active", Boolean, nullable=False, server_default="1"),
    Column("created_ms", BigInteger, nullable=False),
)

# Logged-in browsers (kind "session", cookie) and short-lived access tokens (kind "access").
agent_sessions = Table(
    "agent_sessions",
    metadata,
    Column("token_hash", LargeBinary(32), primary_key=True),
    Column("kind", String(8), nullable=False),
    Column("agent", String(64), ForeignKey("agents.id"), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
)

# A visitor is one browser of one site, or one verified subject of a site.
visitors = Table(
    "visitors",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("site", String(64), nullable=False),
    Column("subject_hash", LargeBinary(32)),
    Column("identity", LargeBinary),
    Column("created_ms", BigInteger, nullable=False),
)
Index("visitors_by_subject", visitors.c.site, visitors.c.subject_hash, unique=True)

# Session credentials kept per browser; identity is sealed (name and id of the company's token).
visitor_credentials = Table(
    "visitor_credentials",
    metadata,
    Column("token_hash", LargeBinary(32), primary_key=True),
    Column("site", String(64), nullable=False),
    Column("visitor", String(64), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
)

# A company's token is redeemed once: jti per site, and the credential it was redeemed for.
redeemed_tokens = Table(
    "redeemed_tokens",
    metadata,
    Column("site", String(64), primary_key=True),
    Column("jti_hash", LargeBinary(32), primary_key=True),
    Column("credential_hash", LargeBinary(32), nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
)

# Uploads: the name is sealed with the uploader's key; the bytes are in Blobs under `blob`.
files = Table(
    "files",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("site", String(64), nullable=False),
    Column("owner", String(64), nullable=False),
    Column("engagement", String(64)),
    Column("name", LargeBinary, nullable=False),
    Column("media_type", String(80), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("blob", String(80), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)
Index("files_by_engagement", files.c.engagement)

# Several nodes: the bytes of files in pieces, so that no row is large.
blobs = Table(
    "blobs",
    metadata,
    Column("key", String(80), primary_key=True),
    Column("chunk", Integer, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)

# What every node on this database must have in common: `content_key` is a digest of the key in DATA/keys.
shared = Table(
    "shared",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
