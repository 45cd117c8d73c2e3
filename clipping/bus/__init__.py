"""Pub/Sub behind small classes of ours. Only this folder imports google.cloud.pubsub."""
