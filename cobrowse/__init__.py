"""The shared page: pure capture protocol, mirror, masks and viewers (its socket is in server/edge).

Empty until its own issue is built; the viewer's origin is served already, closed to everything,
so that no later step changes where a company's browser may connect.
"""
