"""An embedded Google Pub/Sub: the google.pubsub.v1 gRPC service on SQLite, for one machine without a cloud.

`python -m embedded.broker --data DIR` runs it; the official client connects to `PUBSUB_EMULATOR_HOST`.

Unsupported features return UNIMPLEMENTED and are never silently ignored: snapshots, schemas, message
ordering, exactly-once delivery, topic retention and exports to BigQuery or Cloud Storage."""
