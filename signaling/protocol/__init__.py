"""The wire: every command a client may send, every event a server sends, and their limits.

Only shapes are declared here. A command is imperative, forbids unknown fields and travels as a
Socket.IO event whose name is the tag (`chat.send`); its answer is the Socket.IO ack (`Ack`).
An event is past tense; clients ignore fields they do not know. `talknow schema` turns these
Structs into `schema.json` and `generated.ts`; lengths and ranges do not survive into
TypeScript, the server alone enforces them.
Source: docs/protocol.md, for strangers; RFC 8829 for descriptions.
"""

from signaling.protocol.commands import *
from signaling.protocol.http import *
from signaling.protocol.ids import *
from signaling.protocol.parts import *
from signaling.protocol.server_events import *
from signaling.protocol.views import *
