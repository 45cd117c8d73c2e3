"""Event streams: what is new about a request, sent to the clients that have `/events` open.

`changes` decides what to send (pure), `stream` is one client's connection, `hub` the one thread that looks
into the database for all of them. The database is the only source, so that it makes no difference which
instance or worker a client is connected to, and which one took the agent's message.
"""
