"""Starts offboardings from the events of identity providers: the rules of each provider, one queue, and its function.

The rules match the events that mean that somebody left or is back; these differ from provider to provider.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import Aws, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.event_queue import EventPattern, EventQueue, EventRule
from stacks.functions import Access, FunctionSpec, OffboardingFunction
from stacks.machines import OFFBOARDING
from stacks.parameters import SettingsParameters
from stacks.records_table import RecordsTable
from stacks.settings import (
    IdentityCenterProvider,
    OffboardingRequests,
    PartnerProvider,
    SailPointProvider,
    ScimTenant,
    Settings,
)
from stacks.settings_fields import render_compact_json

_OKTA_EVENT_TYPES = (
    "user.lifecycle.deactivate",
    "user.lifecycle.delete.initiated",
    "user.lifecycle.delete.completed",
    # Also every new hire is activated; the function acts on who was reported as a leaver.
    "user.lifecycle.activate",
    "user.lifecycle.reactivate",
    # It starts nothing, because a suspension is reversible; the function counts and logs it.
    "user.lifecycle.suspend",
)
_NO_ERROR_CODE = ({"exists": False}, {"anything-but": {"wildcard": "*"}})
"""CloudTrail's ``errorCode`` of a successful call is absent or null. A template cannot contain null: the CDK drops it
silently. The second pattern matches null, because it matches each value that is not a string."""


_MAX_PATTERN_CHARACTERS = 2048
"""The limit of EventBridge; see https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html."""


@dataclass(frozen=True)
class Provider:
    """One identity provider that the deployer configured.

    Attributes
    ----------
    key
        Its key in the settings, which the function uses too.
    rules
        The rules that match its events.
    """

    key: str
    rules: tuple[EventRule, ...]


class EventIntake(Construct):
    """Leads the events of identity providers to the function that starts executions of the state machine.

    Attributes
    ----------
    events
        The queue of the events. Its dead letters include events that the function refused, with the reason.
    starter
        The function that reads the queue.
    mapping
        The event source mapping of the function. Disable it to pause.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        state_machine: sfn.IStateMachine,
        records: RecordsTable,
        code: lambda_.Code,
        settings: Settings,
    ) -> None:
        super().__init__(scope, construct_id)
        parameters = SettingsParameters(
            self,
            "Settings",
            name="intake",
            values=settings.render_intake(),
            description="What decides about the events of identity providers",
        )
        self.events = EventQueue(self, [rule for provider in list_providers(settings) for rule in provider.rules])
        self.starter = OffboardingFunction(
            self, self._build_starter_spec(state_machine, records, parameters, settings), code=code, settings=settings
        )
        self.starter.function.node.add_dependency(parameters)
        self.mapping = self.events.build_mapping(
            self.starter.function, max_concurrency=settings.starter_max_concurrency
        )

    def _build_starter_spec(
        self,
        state_machine: sfn.IStateMachine,
        records: RecordsTable,
        parameters: SettingsParameters,
        settings: Settings,
    ) -> FunctionSpec:
        dead_letters = self.events.dead_letter_queue
        return FunctionSpec(
            name="StartOffboarding",
            description="Starts an execution for each leaver that an identity provider reports",
            workmail_actions=("DescribeEntity", "DescribeUser", "ListUsers"),
            environment={
                "STALE_EVENT_DAYS": str(settings.stale_event_days),
                "DRY_RUN": "true" if settings.dry_run_identity_providers else "false",
                # A change replaces the execution environments, which remember the former parameters for minutes.
                "INTAKE_SETTINGS_HASH": _hash_settings(settings),
            },
            access=(
                Access(
                    "StateMachine",
                    iam.PolicyStatement(actions=["states:StartExecution"], resources=[state_machine.state_machine_arn]),
                    environment={"STATE_MACHINE_ARN": state_machine.state_machine_arn},
                ),
                OFFBOARDING.allow_describe_executions(Stack.of(self)),
                records.allow_actions("PutItem", keys=("refused/*",)),
                # Who is away by which report, and who is back.
                records.allow_actions("GetItem", "UpdateItem", keys=("provider-user/*",), name="Presences"),
                # A former execution has watched something, stands for a further report, or is withdrawn.
                records.allow_actions(
                    *("GetItem", "UpdateItem", "PutItem", "ConditionCheckItem", "Query"),
                    keys=("arn:*",),
                    name="Reports",
                ),
                # Which execution holds the entity of somebody who is back.
                records.allow_actions("GetItem", keys=("m-*",), name="Locks"),
                # A withdrawal can name an entity by what it was called.
                records.allow_actions("Query", keys=("identifier/*",), name="Identifiers"),
                OFFBOARDING.allow_answer_tasks(Stack.of(self)),
                self.events.allow_consume(),
                parameters.allow_read_all("INTAKE_SETTINGS_PATH"),
                *_allow_describe_store_users(Stack.of(self), settings.described_identity_stores),
                Access(
                    "DeadLetters",
                    iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[dead_letters.queue_arn]),
                    environment={"DEAD_LETTER_QUEUE_URL": dead_letters.queue_url},
                ),
            ),
        )


def list_providers(settings: Settings) -> Iterator[Provider]:
    """List the identity providers that the deployer configured.

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
        yield _build_identity_center(providers.identity_center, settings.identity_stores)
    if providers.identity_center_cloudtrail:
        yield _build_identity_center_cloudtrail(settings.identity_stores)
    if providers.identity_center_scim:
        yield _build_identity_center_scim(providers.identity_center_scim)
    if providers.okta:
        yield _build_okta(providers.okta)
    if providers.auth0:
        yield _build_auth0(providers.auth0)
    if providers.sailpoint:
        yield _build_sailpoint(providers.sailpoint)
    if providers.offboarding_requested:
        yield _build_offboarding_requested(providers.offboarding_requested)


def _build_identity_center(provider: IdentityCenterProvider, identity_stores: Sequence[str]) -> Provider:
    def build_pattern(stores: Sequence[str]) -> EventPattern:
        return {
            "source": ["aws.identitystore"],
            "detail-type": ["User Deleted", *(["User Updated"] if provider.user_updated else [])],
            "detail": {"identityStoreId": [*stores]},
        }

    description = "Users deleted or changed" if provider.user_updated else "Users deleted"
    rules = _build_rules("IdentityCenter", f"{description} in IAM Identity Center", identity_stores, build_pattern)
    return Provider("identityCenter", rules)


def _build_identity_center_cloudtrail(identity_stores: Sequence[str]) -> Provider:
    """Build a rule for each of the two sources, whose calls differ; two rules are easier to read than ``$or``."""

    def match_calls(source: str, *names: str) -> Callable[[Sequence[str]], EventPattern]:
        return lambda stores: {
            "source": [source],
            "detail-type": ["AWS API Call via CloudTrail"],
            "detail": {
                "eventName": [*names],
                "errorCode": [*_NO_ERROR_CODE],
                "requestParameters": {"identityStoreId": [*stores]},
            },
        }

    rules = (
        *_build_rules(
            "SsoDirectoryCalls",
            "Users disabled, enabled or deleted in Identity Center, by CloudTrail",
            identity_stores,
            match_calls("aws.sso-directory", "DisableUser", "DeleteUser", "EnableUser"),
        ),
        *_build_rules(
            "IdentityStoreCalls",
            "Users deleted through the Identity Store API, by CloudTrail",
            identity_stores,
            match_calls("aws.identitystore", "DeleteUser"),
        ),
    )
    return Provider("identityCenterCloudTrail", rules)


def _build_identity_center_scim(tenants: Sequence[ScimTenant]) -> Provider:
    """Build a rule for any source of AWS, because AWS does not document the source of these events.

    Nobody else can put an event whose source begins with ``aws.`` on the default event bus.
    """

    def build_pattern(tenant_ids: Sequence[str]) -> EventPattern:
        return {
            "source": [{"prefix": "aws."}],
            "account": [Aws.ACCOUNT_ID],
            "detail-type": ["AWS API Call via CloudTrail"],
            "detail": {
                "eventSource": ["identitystore-scim.amazonaws.com"],
                "eventName": ["PatchUser", "PutUser", "DeleteUser"],
                "errorCode": [*_NO_ERROR_CODE],
                "requestParameters": {"tenantId": [*tenant_ids]},
            },
        }

    description = "Users changed or deleted in IAM Identity Center by SCIM, by CloudTrail"
    rules = _build_rules("ScimCalls", description, [tenant.id for tenant in tenants], build_pattern)
    return Provider("identityCenterScim", rules)


def _allow_describe_store_users(stack: Stack, identity_stores: Sequence[str]) -> tuple[Access, ...]:
    """Let the function read the users of identity stores, if there are any whose users it reads."""
    if not identity_stores:
        return ()
    stores = [
        stack.format_arn(service="identitystore", region="", resource="identitystore", resource_name=store)
        for store in identity_stores
    ]
    users = stack.format_arn(service="identitystore", region="", account="", resource="user", resource_name="*")
    access = Access(
        "IdentityStore",
        iam.PolicyStatement(actions=["identitystore:DescribeUser"], resources=[*stores, users]),
        acknowledged={
            "IAM5[Resource::arn:<AWS::Partition>:identitystore:::user/*]": "The wildcard stands for the users of these "
            "identity stores, whose ids nobody can list beforehand; they are described, never changed.",
        },
    )
    return (access,)


def _build_okta(okta: PartnerProvider) -> Provider:
    detail = {"eventType": [*_OKTA_EVENT_TYPES], "outcome": {"result": ["SUCCESS"]}}
    description = "Users deactivated, deleted, suspended or activated in Okta"
    pattern = _match_partner(okta, "SystemLog", detail)
    return Provider("okta", (EventRule("Okta", description, pattern, okta.event_source),))


def _build_auth0(auth0: PartnerProvider) -> Provider:
    # "Successful user deletion". In "sapi", the other log entry of it, the user is the administrator.
    pattern = _match_partner(auth0, "Auth0 log", {"data": {"type": ["sdu"]}})
    return Provider("auth0", (EventRule("Auth0", "Users deleted in Auth0", pattern, auth0.event_source),))


def _build_sailpoint(sailpoint: SailPointProvider) -> Provider:
    def build_pattern(sources: Sequence[str]) -> EventPattern:
        return _match_partner(sailpoint, "idn:account-deleted", {"source": {"id": [*sources]}})

    description, sources = "Accounts deleted in SailPoint sources that count", sailpoint.account_sources
    return Provider("sailpoint", _build_rules("SailPoint", description, sources, build_pattern, sailpoint.event_source))


def _build_offboarding_requested(requests: OffboardingRequests) -> Provider:
    pattern = {
        "source": ["workmail.offboarding"],
        # The bus can let other accounts put events, which then have the account of the sender.
        "account": [Aws.ACCOUNT_ID],
        "detail-type": ["Offboarding Requested", "Offboarding Withdrawn"],
    }
    rule = EventRule(
        "OffboardingRequested",
        "Requests for offboardings by other systems, and their withdrawals",
        pattern,
        requests.event_bus,
    )
    return Provider("offboardingRequested", (rule,))


def _match_partner(provider: PartnerProvider, detail_type: str, detail: Mapping[str, object]) -> EventPattern:
    """Match events on a partner's event bus, which has the same name as the event source."""
    return {"source": [provider.event_source], "detail-type": [detail_type], "detail": detail}


def _build_rules(
    name: str,
    description: str,
    values: Sequence[str],
    build_pattern: Callable[[Sequence[str]], EventPattern],
    bus: str = "default",
) -> tuple[EventRule, ...]:
    """Build one rule, or as many as it takes until no pattern is too long; an event matches one of them at most."""
    count = 1
    while True:
        size = math.ceil(len(values) / count)
        patterns = [build_pattern(values[start : start + size]) for start in range(0, len(values), size)]
        if all(len(json.dumps(pattern)) <= _MAX_PATTERN_CHARACTERS for pattern in patterns):
            break
        count += 1
    return tuple(
        EventRule(f"{name}{number}" if number > 1 else name, description, pattern, bus)
        for number, pattern in enumerate(patterns, start=1)
    )


def _hash_settings(settings: Settings) -> str:
    return hashlib.sha256(render_compact_json(settings.render_intake()).encode()).hexdigest()[:16]
