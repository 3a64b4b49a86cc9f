"""Resource types that moto's CloudFormation does not know.

- ``AWS::CloudWatch::Alarm``, on one metric. It is never evaluated.
- ``AWS::S3::BucketPolicy``. It is enforced for export jobs only (`local.workmail.exports.access`).
- ``AWS::Scheduler::Schedule``: see `local.aws.scheduler`.
- ``AWS::SNS::Subscription`` and ``AWS::SNS::TopicPolicy``.
"""

from __future__ import annotations

import json
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends
from moto.s3.models import s3_backends
from moto.scheduler.models import scheduler_backends
from moto.sns.models import Topic, sns_backends
from moto.utilities.utils import get_partition


class _Resource:
    """The interface of a resource in moto's CloudFormation."""

    def __init__(self, properties: dict[str, Any]) -> None:
        self.properties = properties

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> _Resource:
        """Make the resource."""
        resource = cls(cloudformation_json["Properties"])
        resource.make(resource_name, account_id, region_name)
        return resource

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: _Resource,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> _Resource:
        """Delete the resource and make it again."""
        original_resource.delete(account_id, region_name)
        return cls.create_from_cloudformation_json(new_resource_name, cloudformation_json, account_id, region_name)

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        """Tell whether a template can use the attribute."""
        return attr == "Arn" and hasattr(cls, "get_cfn_attribute")

    def is_created(self) -> bool:
        """Return true: it is made at once."""
        return True

    def make(self, resource_name: str, account_id: str, region_name: str) -> None:
        """Make the resource of the service."""
        raise NotImplementedError

    def delete(self, account_id: str, region_name: str) -> None:
        """Delete the resource of the service."""
        raise NotImplementedError


class Subscription(_Resource):
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


class TopicPolicy(_Resource):
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


class Alarm(_Resource):
    """``AWS::CloudWatch::Alarm``."""

    physical_resource_id: str

    def make(self, resource_name: str, account_id: str, region_name: str) -> None:
        """Put the alarm."""
        properties = self.properties
        self.physical_resource_id = properties.get("AlarmName", resource_name)
        self._arn = (
            cloudwatch_backends[account_id][region_name]
            .put_metric_alarm(
                name=self.physical_resource_id,
                namespace=properties["Namespace"],
                metric_name=properties["MetricName"],
                comparison_operator=properties["ComparisonOperator"],
                evaluation_periods=properties["EvaluationPeriods"],
                period=properties["Period"],
                threshold=properties["Threshold"],
                statistic=properties["Statistic"],
                description=properties.get("AlarmDescription", ""),
                dimensions=properties.get("Dimensions", []),
                alarm_actions=properties.get("AlarmActions", []),
                datapoints_to_alarm=properties.get("DatapointsToAlarm"),
                ok_actions=properties.get("OKActions"),
                actions_enabled=properties.get("ActionsEnabled", True),
                treat_missing_data=properties.get("TreatMissingData"),
            )
            .alarm_arn
        )

    def get_cfn_attribute(self, attribute_name: str) -> str:
        """Return the ARN."""
        return self._arn

    def delete(self, account_id: str, region_name: str) -> None:
        """Delete the alarm."""
        cloudwatch_backends[account_id][region_name].delete_alarms([self.physical_resource_id])


class Schedule(_Resource):
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
        original_resource: _Resource,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> _Resource:
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


class BucketPolicy(_Resource):
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


ADDED_TYPES: dict[str, type[_Resource]] = {
    "AWS::CloudWatch::Alarm": Alarm,
    "AWS::S3::BucketPolicy": BucketPolicy,
    "AWS::SNS::Subscription": Subscription,
    "AWS::SNS::TopicPolicy": TopicPolicy,
    "AWS::Scheduler::Schedule": Schedule,
}
