"""How identity providers start offboardings: a rule for each, one queue, and the function that reads it.

The rules let through what says that somebody left. What that is differs from provider to provider.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.event_queue import EventQueue, EventRule, Pattern
from stacks.functions import Access, FunctionSpec, OffboardingFunction
from stacks.machines import OFFBOARDING
from stacks.settings import OffboardingRequests, PartnerProvider, SailPointProvider, Settings, compact_json

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
    events
        Where the events wait to be read. Among its dead letters are those that the function refused, with the reason.
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
        self.events = EventQueue(self, [rule for provider in providers for rule in provider.rules])
        self.starter = OffboardingFunction(
            self, self._starter_spec(state_machine, providers, settings), code=code, settings=settings
        )
        self.mapping = self.events.build_mapping(
            self.starter.function, max_concurrency=settings.starter_max_concurrency
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
                "DRY_RUN": "true" if settings.dry_run_identity_providers else "false",
                "ORGANIZATIONS": compact_json(organizations),
                "PROVIDERS": compact_json({provider.key: provider.facts for provider in providers}),
            },
            access=(
                Access(
                    "StateMachine",
                    iam.PolicyStatement(actions=["states:StartExecution"], resources=[state_machine.state_machine_arn]),
                    environment={"STATE_MACHINE_ARN": state_machine.state_machine_arn},
                ),
                OFFBOARDING.describing_executions(Stack.of(self)),
                self.events.reading(),
                Access(
                    "DeadLetters",
                    iam.PolicyStatement(
                        actions=["sqs:SendMessage"], resources=[self.events.dead_letter_queue.queue_arn]
                    ),
                    environment={"DEAD_LETTER_QUEUE_URL": self.events.dead_letter_queue.queue_url},
                ),
            ),
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
