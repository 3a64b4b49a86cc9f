"""Resource types that moto's CloudFormation does not know, or makes differently.

- ``AWS::CloudWatch::Alarm``, ``AWS::CloudWatch::Dashboard`` and ``AWS::Logs::QueryDefinition``: see
  `local.aws.cloudformation.monitoring_types`.
- ``AWS::S3::BucketPolicy``. It is enforced for export jobs only (`local.workmail.exports.access`).
- ``AWS::Scheduler::Schedule``: see `local.aws.scheduler`.
- ``AWS::SNS::Subscription`` and ``AWS::SNS::TopicPolicy``.
"""

from __future__ import annotations

import json
from typing import Any

from moto.s3.models import s3_backends
from moto.scheduler.models import scheduler_backends
from moto.sns.models import Topic, sns_backends
from moto.utilities.utils import get_partition

from local.aws.cloudformation.added_resource import AddedResource
from local.aws.cloudformation.monitoring_types import Alarm, Dashboard, QueryDefinition


class Subscription(AddedResource):
    """``AWS::SNS::Subscription``. A subscription of an e-mail address stays unconfirmed."""

    physical_resource_id: str

    def make(self, resource_name: str, account_id: str, region_name: str) -> None:
        """Subscribe."""
        backend = sns_backends[account_id][region_name]
        topic, endpoint, protocol = (self.properties[name] for name in ("TopicArn", "Endpoint", "Protocol"))
        self.physical_resource_id = backend.subscribe(topic, endpoint, protocol).arn

    def delete(self, account_id: str, region_name: str) -> None:
        """Unsubscribe."""
        sns_backends[account_id][region_name].subscriptions.pop(self.physical_resource_id, None)


class TopicPolicy(AddedResource):
    """``AWS::SNS::TopicPolicy``. Topics show it; it is not enforced."""

    physical_resource_id: str

    def make(self, resource_name: str, account_id: str, region_name: str) -> None:
        """Put the policy in place."""
        self.physical_resource_id = resource_name
        for topic in self._find_topics(account_id, region_name):
            topic._policy_json = self.properties["PolicyDocument"]

    def delete(self, account_id: str, region_name: str) -> None:
        """Restore the topics' default policies."""
        for topic in self._find_topics(account_id, region_name):
            topic._policy_json = topic._create_default_topic_policy(region_name, account_id, topic.name)

    def _find_topics(self, account_id: str, region_name: str) -> list[Topic]:
        topics = sns_backends[account_id][region_name].topics
        return [topics[arn] for arn in self.properties["Topics"] if arn in topics]


class Schedule(AddedResource):
    """``AWS::Scheduler::Schedule``. An update changes it in place, unless its name or group changes."""

    physical_resource_id: str

    def make(self, resource_name: str, account_id: str, region_name: str) -> None:
        """Create the schedule."""
        self.physical_resource_id = self.properties.get("Name", resource_name)
        self._arn = (
            scheduler_backends[account_id][region_name]
            .create_schedule(**self._members(), action_after_completion=None)
            .arn
        )

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: AddedResource,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> AddedResource:
        """Change the schedule."""
        properties, original = cloudformation_json["Properties"], original_resource.properties
        if any(properties.get(name) != original.get(name) for name in ("Name", "GroupName")):
            return super().update_from_cloudformation_json(
                original_resource, new_resource_name, cloudformation_json, account_id, region_name
            )
        assert isinstance(original_resource, Schedule)  # noqa: S101 (it made the resource)
        original_resource.properties = properties
        scheduler_backends[account_id][region_name].update_schedule(**original_resource._members())
        return original_resource

    def get_cfn_attribute(self, attribute_name: str) -> str:
        """Return the ARN."""
        return self._arn

    def delete(self, account_id: str, region_name: str) -> None:
        """Delete the schedule."""
        scheduler_backends[account_id][region_name].delete_schedule(
            self.properties.get("GroupName"), self.physical_resource_id
        )

    def _members(self) -> dict[str, Any]:
        properties = self.properties
        return {
            "name": self.physical_resource_id,
            "group_name": properties.get("GroupName"),
            "description": properties.get("Description"),
            "schedule_expression": properties["ScheduleExpression"],
            "schedule_expression_timezone": properties.get("ScheduleExpressionTimezone"),
            "flexible_time_window": properties["FlexibleTimeWindow"],
            "target": dict(properties["Target"]),
            "state": properties.get("State"),
            "start_date": properties.get("StartDate"),
            "end_date": properties.get("EndDate"),
            "kms_key_arn": properties.get("KmsKeyArn"),
        }


class BucketPolicy(AddedResource):
    """``AWS::S3::BucketPolicy``."""

    physical_resource_id: str

    def make(self, resource_name: str, account_id: str, region_name: str) -> None:
        """Put the policy in place."""
        self.physical_resource_id = self.properties["Bucket"]
        policy = json.dumps(self.properties["PolicyDocument"]).encode()
        s3_backends[account_id][get_partition(region_name)].put_bucket_policy(self.physical_resource_id, policy)

    def delete(self, account_id: str, region_name: str) -> None:
        """Remove the policy."""
        s3_backends[account_id][get_partition(region_name)].delete_bucket_policy(self.physical_resource_id)


ADDED_TYPES: dict[str, type[AddedResource]] = {
    "AWS::CloudWatch::Alarm": Alarm,
    "AWS::CloudWatch::Dashboard": Dashboard,
    "AWS::Logs::QueryDefinition": QueryDefinition,
    "AWS::S3::BucketPolicy": BucketPolicy,
    "AWS::SNS::Subscription": Subscription,
    "AWS::SNS::TopicPolicy": TopicPolicy,
    "AWS::Scheduler::Schedule": Schedule,
}
