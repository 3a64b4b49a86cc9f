"""How identity providers start offboardings: a rule for each, one queue, and the function that reads it.

The rules let through what says that somebody left, as it came: an input transformer would not escape what it
inserts. The queue is the buffer and, while the function's event source mapping is disabled, the pause. What
EventBridge could not deliver and what the function could not act on wait in a dead-letter queue each.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.functions import TIMEOUT_SECONDS, FunctionSpec, OffboardingFunction
from stacks.nag import acknowledge
from stacks.settings import OffboardingRequests, PartnerProvider, SailPointProvider, Settings

Pattern = Mapping[str, object]

_RETENTION_DAYS = 14
_RECEIVES = 100
"""Five hours of trouble with WorkMail cost no event; what nobody may act on is put aside at the first look."""
_BATCH_SIZE = 10
_OKTA_EVENT_TYPES = (
    "user.lifecycle.deactivate",
    "user.lifecycle.delete.initiated",
    "user.lifecycle.delete.completed",
    # Starts nothing, because it is reversible; it comes through to be counted and logged.
    "user.lifecycle.suspend",
)
_SUCCEEDED = ({"exists": False}, {"anything-but": {"wildcard": "*"}})
"""CloudTrail's ``errorCode`` where there was no error: absent, or null. A template can hold no null, and drops it
without a word; what is there and is no text comes to the same."""

_DEFAULT_BUS = "default"


@dataclass(frozen=True)
class EventRule:
    """One rule on an event bus.

    Attributes
    ----------
    name
        Its name in the stack.
    description
        What the EventBridge console shows.
    pattern
        The event pattern, as EventBridge takes it.
    bus
        The name of the bus.
    """

    name: str
    description: str
    pattern: Pattern
    bus: str = _DEFAULT_BUS


@dataclass(frozen=True)
class Provider:
    """One identity provider that the deployer configured.

    Attributes
    ----------
    key
        Its key in the settings, by which the function knows it too.
    rules
        What lets its events through.
    facts
        What the function is told about it.
    """

    key: str
    rules: tuple[EventRule, ...]
    facts: Mapping[str, object] = field(default_factory=dict)


def configured_providers(settings: Settings) -> Iterator[Provider]:
    """Go through the identity providers that the deployer configured.

    Parameters
    ----------
    settings
        The deployer's settings.

    Yields
    ------
    Provider
        One provider, with its rules.
    """
    providers = settings.identity_providers
    if providers.identity_center:
        yield _identity_center(settings.identity_stores)
    if providers.identity_center_cloudtrail:
        yield _identity_center_cloudtrail(settings.identity_stores)
    if providers.okta:
        yield _okta(providers.okta)
    if providers.auth0:
        yield _auth0(providers.auth0)
    if providers.sailpoint:
        yield _sailpoint(providers.sailpoint)
    if providers.offboarding_requested:
        yield _offboarding_requested(providers.offboarding_requested)


class Intake(Construct):
    """From the identity providers' events to executions of the state machine.

    Attributes
    ----------
    queue
        Where the events wait to be read.
    dead_letter_queue
        Events that the function refused, with the reason, or failed on as often as it was tried.
    undelivered_queue
        Events that a rule let through and EventBridge could not put into the queue.
    starter
        The function that reads the queue.
    mapping
        What makes it read. Disabled, it is the pause.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        state_machine: sfn.IStateMachine,
        code: lambda_.Code,
        settings: Settings,
    ) -> None:
        super().__init__(scope, construct_id)
        providers = tuple(configured_providers(settings))
        self.dead_letter_queue = self._build_queue("DeadLetters")
        self.undelivered_queue = self._build_queue("UndeliveredEvents")
        acknowledge(
            self.undelivered_queue,
            "SQS3",
            "It is the dead-letter queue of the rules' targets, which nothing reads but a person; a dead-letter "
            "queue has none of its own.",
        )
        self.queue = self._build_queue(
            "Events",
            # Lambda asks for six times the function's timeout, so that a batch that was throttled is tried again.
            visibility_timeout=Duration.seconds(6 * TIMEOUT_SECONDS),
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead_letter_queue, max_receive_count=_RECEIVES),
        )
        self._build_rules(rule for provider in providers for rule in provider.rules)
        self.starter = OffboardingFunction(
            self, self._starter_spec(state_machine, providers, settings), code=code, settings=settings
        )
        # On the function and not on a version: no execution waits on this code, so the newest reads. And a release
        # leaves the mapping as it is, so that it does not end a pause.
        self.mapping = lambda_.EventSourceMapping(
            self,
            "EventSourceMapping",
            target=self.starter.function,
            event_source_arn=self.queue.queue_arn,
            batch_size=_BATCH_SIZE,
            max_concurrency=settings.starter_max_concurrency,
            report_batch_item_failures=True,
        )

    def _build_queue(
        self,
        construct_id: str,
        *,
        visibility_timeout: Duration | None = None,
        dead_letter_queue: sqs.DeadLetterQueue | None = None,
    ) -> sqs.Queue:
        return sqs.Queue(
            self,
            construct_id,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(_RETENTION_DAYS),
            visibility_timeout=visibility_timeout,
            dead_letter_queue=dead_letter_queue,
        )

    def _build_rules(self, rules: Iterable[EventRule]) -> None:
        """Lead the rules to the queue, and let no others put anything into it or beside it."""
        target = events.CfnRule.TargetProperty(
            id="Queue",
            arn=self.queue.queue_arn,
            dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=self.undelivered_queue.queue_arn),
        )
        rule_arns = [
            events.CfnRule(
                self,
                rule.name,
                description=rule.description,
                event_bus_name=rule.bus,
                event_pattern=rule.pattern,
                targets=[target],
            ).attr_arn
            for rule in rules
        ]
        for queue in (self.queue, self.undelivered_queue):
            # One statement for all of them: the CDK's own target makes one for each, and SQS takes 20 at most.
            queue.add_to_resource_policy(
                iam.PolicyStatement(
                    principals=[iam.ServicePrincipal("events.amazonaws.com")],
                    actions=["sqs:SendMessage"],
                    resources=[queue.queue_arn],
                    conditions={"ArnEquals": {"aws:SourceArn": rule_arns}},
                )
            )

    def _starter_spec(
        self, state_machine: sfn.IStateMachine, providers: Iterable[Provider], settings: Settings
    ) -> FunctionSpec:
        organizations = [
            {
                "Id": organization.id,
                "MailDomains": organization.mail_domains,
                "IdentityStores": organization.identity_stores,
            }
            for organization in settings.organizations
        ]
        return FunctionSpec(
            name="StartOffboarding",
            description="Starts an execution for each leaver that an identity provider's event tells of",
            workmail_actions=("ListUsers",),
            environment={
                "STATE_MACHINE_ARN": state_machine.state_machine_arn,
                "DEAD_LETTER_QUEUE_URL": self.dead_letter_queue.queue_url,
                "ORGANIZATIONS": _compact(organizations),
                "PROVIDERS": _compact({provider.key: provider.facts for provider in providers}),
            },
            statements={
                "StateMachine": iam.PolicyStatement(
                    actions=["states:StartExecution"], resources=[state_machine.state_machine_arn]
                ),
                "Queue": iam.PolicyStatement(
                    actions=["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
                    resources=[self.queue.queue_arn],
                ),
                "DeadLetters": iam.PolicyStatement(
                    actions=["sqs:SendMessage"], resources=[self.dead_letter_queue.queue_arn]
                ),
            },
        )


def _identity_center(identity_stores: Iterable[str]) -> Provider:
    pattern = {
        "source": ["aws.identitystore"],
        "detail-type": ["User Deleted"],
        "detail": {"identityStoreId": [*identity_stores]},
    }
    rule = EventRule("IdentityCenter", "Users deleted in IAM Identity Center", pattern)
    return Provider("identityCenter", (rule,))


def _identity_center_cloudtrail(identity_stores: Iterable[str]) -> Provider:
    """Make two rules, since the two sources count with different calls; ``$or`` would say it less plainly."""

    def calls(source: str, *names: str) -> Pattern:
        return {
            "source": [source],
            "detail-type": ["AWS API Call via CloudTrail"],
            "detail": {
                "eventName": [*names],
                "errorCode": [*_SUCCEEDED],
                "requestParameters": {"identityStoreId": [*identity_stores]},
            },
        }

    directory = calls("aws.sso-directory", "DisableUser", "DeleteUser")
    store = calls("aws.identitystore", "DeleteUser")
    rules = (
        EventRule("SsoDirectoryCalls", "Users disabled or deleted in IAM Identity Center, by CloudTrail", directory),
        EventRule("IdentityStoreCalls", "Users deleted through the Identity Store API, by CloudTrail", store),
    )
    return Provider("identityCenterCloudTrail", rules)


def _okta(okta: PartnerProvider) -> Provider:
    pattern = {
        "source": [okta.event_source],
        "detail-type": ["SystemLog"],
        "detail": {"eventType": [*_OKTA_EVENT_TYPES], "outcome": {"result": ["SUCCESS"]}},
    }
    rule = EventRule("Okta", "Users deactivated, deleted or suspended in Okta", pattern, okta.event_source)
    return Provider("okta", (rule,), _organization_of(okta))


def _auth0(auth0: PartnerProvider) -> Provider:
    pattern = {
        "source": [auth0.event_source],
        "detail-type": ["Auth0 log"],
        # "Successful user deletion". In "sapi", the other log of it, the user is the administrator.
        "detail": {"data": {"type": ["sdu"]}},
    }
    rule = EventRule("Auth0", "Users deleted in Auth0", pattern, auth0.event_source)
    return Provider("auth0", (rule,), _organization_of(auth0))


def _sailpoint(sailpoint: SailPointProvider) -> Provider:
    pattern = {
        "source": [sailpoint.event_source],
        "detail-type": ["idn:account-deleted"],
        "detail": {"source": {"id": [*sailpoint.account_sources]}},
    }
    rule = EventRule("SailPoint", "Accounts deleted in SailPoint sources that count", pattern, sailpoint.event_source)
    return Provider("sailpoint", (rule,), {**_organization_of(sailpoint), "AccountSources": sailpoint.account_sources})


def _offboarding_requested(requests: OffboardingRequests) -> Provider:
    pattern = {"source": ["workmail.offboarding"], "detail-type": ["Offboarding Requested"]}
    rule = EventRule("OffboardingRequested", "Offboardings that anything else asks for", pattern, requests.event_bus)
    return Provider("offboardingRequested", (rule,))


def _organization_of(provider: PartnerProvider) -> dict[str, object]:
    return {"OrganizationId": provider.organization_id} if provider.organization_id else {}


def _compact(value: object) -> str:
    """Write JSON without spaces, because a function's environment holds 4 KB."""
    return json.dumps(value, separators=(",", ":"))
