"""Event streams: what is new about requests, sent to the clients that have `/events` open.

`changes` decides what to send (pure), `stream` is one client's connection, `feed` what the streams of all
requests of a caller have in common, `hub` the thread that polls the database for all of them. The database is
the only source, so that clients may be connected to any instance or worker, also to another one than the one
that received the agent's message.
"""
