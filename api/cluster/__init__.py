"""The agents' state for administrators, and the failovers and pauses that they request.

The API never calls an agent: a cloud service can't reach a NAS behind a router. It reads the lease and the
agents' documents in the store, and writes the intent, which the agents read. `snapshot`, `decisions` and
`outcome` are pure; `coordination` accesses the store, `failovers` serves the routes.
"""
