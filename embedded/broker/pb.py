"""The official client's protobuf messages without their proto-plus wrappers.

The wrappers cost several times as much as the messages, and a server does not need them.
"""

from __future__ import annotations

from typing import Any

from google.pubsub_v1 import types

# The classes are created at run time and are unknown to type checkers: hence `Any`.
Topic: Any = types.Topic.pb()
Subscription: Any = types.Subscription.pb()
PubsubMessage: Any = types.PubsubMessage.pb()
PublishRequest: Any = types.PublishRequest.pb()
PublishResponse: Any = types.PublishResponse.pb()
GetTopicRequest: Any = types.GetTopicRequest.pb()
UpdateTopicRequest: Any = types.UpdateTopicRequest.pb()
ListTopicsRequest: Any = types.ListTopicsRequest.pb()
ListTopicsResponse: Any = types.ListTopicsResponse.pb()
ListTopicSubscriptionsRequest: Any = types.ListTopicSubscriptionsRequest.pb()
ListTopicSubscriptionsResponse: Any = types.ListTopicSubscriptionsResponse.pb()
ListTopicSnapshotsRequest: Any = types.ListTopicSnapshotsRequest.pb()
DeleteTopicRequest: Any = types.DeleteTopicRequest.pb()
DetachSubscriptionRequest: Any = types.DetachSubscriptionRequest.pb()
DetachSubscriptionResponse: Any = types.DetachSubscriptionResponse.pb()
GetSubscriptionRequest: Any = types.GetSubscriptionRequest.pb()
UpdateSubscriptionRequest: Any = types.UpdateSubscriptionRequest.pb()
ListSubscriptionsRequest: Any = types.ListSubscriptionsRequest.pb()
ListSubscriptionsResponse: Any = types.ListSubscriptionsResponse.pb()
DeleteSubscriptionRequest: Any = types.DeleteSubscriptionRequest.pb()
ModifyPushConfigRequest: Any = types.ModifyPushConfigRequest.pb()
ModifyAckDeadlineRequest: Any = types.ModifyAckDeadlineRequest.pb()
AcknowledgeRequest: Any = types.AcknowledgeRequest.pb()
PullRequest: Any = types.PullRequest.pb()
PullResponse: Any = types.PullResponse.pb()
ReceivedMessage: Any = types.ReceivedMessage.pb()
StreamingPullRequest: Any = types.StreamingPullRequest.pb()
StreamingPullResponse: Any = types.StreamingPullResponse.pb()
SeekRequest: Any = types.SeekRequest.pb()
SeekResponse: Any = types.SeekResponse.pb()
CreateSnapshotRequest: Any = types.CreateSnapshotRequest.pb()
UpdateSnapshotRequest: Any = types.UpdateSnapshotRequest.pb()
GetSnapshotRequest: Any = types.GetSnapshotRequest.pb()
ListSnapshotsRequest: Any = types.ListSnapshotsRequest.pb()
DeleteSnapshotRequest: Any = types.DeleteSnapshotRequest.pb()

TOPIC_ACTIVE = int(types.Topic.State.ACTIVE)
SUBSCRIPTION_ACTIVE = int(types.Subscription.State.ACTIVE)
