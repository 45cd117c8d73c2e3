"""An embedded Google Pub/Sub: the google.pubsub.v1 gRPC service on SQLite, for one machine and no cloud.

`python -m embedded.broker --data DIR` runs it; the official client finds it by `PUBSUB_EMULATOR_HOST`.

What is left out says so: snapshots, schemas, message ordering, exactly-once delivery, topic retention and
exports to BigQuery or Cloud Storage are refused with UNIMPLEMENTED, never silently ignored.
"""
