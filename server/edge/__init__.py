"""What a stranger can reach: Socket.IO gateway, HTTP API, pages. It trusts nobody.

Bytes become Structs in `server/wire.py` before anything else looks at them; origin and credential
are checked here; what is allowed is decided by `signaling`. Start with `gateway.py` and `http_api.py`.
"""
