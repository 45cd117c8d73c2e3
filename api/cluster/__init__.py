"""The agents as an administrator sees them, and what an administrator wants of them.

The API never calls an agent: a cloud service can't reach a NAS behind a router. It reads the lease and the
agents' own documents in the store, and writes one of its own, the intent, which the agents read.
`snapshot`, `decisions` and `outcome` are pure; `coordination` is the store, `failovers` the routes' side.
"""
