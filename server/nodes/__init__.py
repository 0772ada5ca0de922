"""Several nodes as one: what a node asks of and tells the others, over the bus.

An actor (an engagement, the queue of a site) lives on one node, its owner; a connection lives on the node
it came to. What a connection wants of an actor elsewhere is *asked* of the owner (`messages.Ask`, an answer
comes back); what an actor says to a connection elsewhere is a *note* (`messages.Note`). Alone, a node asks
itself: the same handlers (`server/owner.py`) run without a wire. Start at `messages.py`, then `peers.py`.
"""
