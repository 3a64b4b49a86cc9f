"""Starts offboardings from the events of identity providers: the rules of each provider, one queue, and its function.

The rules match the events that mean that somebody left or is back; these differ from provider to provider.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from aws_cdk import Aws, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.event_queue import EventPattern, EventQueue, EventRule
from stacks.function_tables import allow_answer_tasks
from stacks.functions import Access, FunctionSpec, OffboardingFunction
from stacks.machines import OFFBOARDING
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


@dataclass(frozen=True)
class Provider:
    """One identity provider that the deployer configured.

    Attributes
    ----------
    key
        Its key in the settings, which the function uses too.
    rules
        The rules that match its events.
    configuration
        Its settings for the function.
    """

    key: str
    rules: tuple[EventRule, ...]
    configuration: Mapping[str, object] = field(default_factory=dict)


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
        providers = tuple(list_providers(settings))
        self.events = EventQueue(self, [rule for provider in providers for rule in provider.rules])
        self.starter = OffboardingFunction(
            self, self._build_starter_spec(state_machine, records, providers, settings), code=code, settings=settings
        )
        self.mapping = self.events.build_mapping(
            self.starter.function, max_concurrency=settings.starter_max_concurrency
        )

    def _build_starter_spec(
        self,
        state_machine: sfn.IStateMachine,
        records: RecordsTable,
        providers: Iterable[Provider],
        settings: Settings,
    ) -> FunctionSpec:
        organizations = [
            {
                "Id": organization.id,
                "MailDomains": organization.mail_domains,
                "IdentityStores": organization.identity_stores,
            }
            for organization in settings.organizations
        ]
        dead_letters = self.events.dead_letter_queue
        return FunctionSpec(
            name="StartOffboarding",
            description="Starts an execution for each leaver that an identity provider reports",
            workmail_actions=("DescribeEntity", "DescribeUser", "ListUsers"),
            environment={
                "STALE_EVENT_DAYS": str(settings.stale_event_days),
                "DRY_RUN": "true" if settings.dry_run_identity_providers else "false",
                "ORGANIZATIONS": render_compact_json(organizations),
                "PROVIDERS": render_compact_json({provider.key: provider.configuration for provider in providers}),
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
                allow_answer_tasks(),
                self.events.allow_consume(),
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


def _build_identity_center(provider: IdentityCenterProvider, identity_stores: Iterable[str]) -> Provider:
    pattern = {
        "source": ["aws.identitystore"],
        "detail-type": ["User Deleted", *(["User Updated"] if provider.user_updated else [])],
        "detail": {"identityStoreId": [*identity_stores]},
    }
    description = "Users deleted or changed" if provider.user_updated else "Users deleted"
    rule = EventRule("IdentityCenter", f"{description} in IAM Identity Center", pattern)
    return Provider("identityCenter", (rule,), {"UserUpdated": True} if provider.user_updated else {})


def _build_identity_center_cloudtrail(identity_stores: Iterable[str]) -> Provider:
    """Build two rules, because the two sources have different calls; two rules are easier to read than ``$or``."""

    def match_calls(source: str, *names: str) -> EventPattern:
        return {
            "source": [source],
            "detail-type": ["AWS API Call via CloudTrail"],
            "detail": {
                "eventName": [*names],
                "errorCode": [*_NO_ERROR_CODE],
                "requestParameters": {"identityStoreId": [*identity_stores]},
            },
        }

    directory = match_calls("aws.sso-directory", "DisableUser", "DeleteUser", "EnableUser")
    store = match_calls("aws.identitystore", "DeleteUser")
    rules = (
        EventRule(
            "SsoDirectoryCalls", "Users disabled, enabled or deleted in Identity Center, by CloudTrail", directory
        ),
        EventRule("IdentityStoreCalls", "Users deleted through the Identity Store API, by CloudTrail", store),
    )
    return Provider("identityCenterCloudTrail", rules)


def _build_identity_center_scim(tenants: Iterable[ScimTenant]) -> Provider:
    """Build a rule for any source of AWS, because AWS does not document the source of these events.

    Nobody else can put an event whose source begins with ``aws.`` on the default event bus.
    """
    stores = {tenant.id: tenant.identity_store for tenant in tenants}
    pattern = {
        "source": [{"prefix": "aws."}],
        "account": [Aws.ACCOUNT_ID],
        "detail-type": ["AWS API Call via CloudTrail"],
        "detail": {
            "eventSource": ["identitystore-scim.amazonaws.com"],
            "eventName": ["PatchUser", "PutUser", "DeleteUser"],
            "errorCode": [*_NO_ERROR_CODE],
            "requestParameters": {"tenantId": [*stores]},
        },
    }
    rule = EventRule("ScimCalls", "Users changed or deleted in IAM Identity Center by SCIM, by CloudTrail", pattern)
    return Provider("identityCenterScim", (rule,), {"Tenants": stores})


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
    rule = _build_partner_rule("Okta", description, okta, "SystemLog", detail)
    return Provider("okta", (rule,), _render_partner(okta))


def _build_auth0(auth0: PartnerProvider) -> Provider:
    # "Successful user deletion". In "sapi", the other log entry of it, the user is the administrator.
    detail = {"data": {"type": ["sdu"]}}
    rule = _build_partner_rule("Auth0", "Users deleted in Auth0", auth0, "Auth0 log", detail)
    return Provider("auth0", (rule,), _render_partner(auth0))


def _build_sailpoint(sailpoint: SailPointProvider) -> Provider:
    detail = {"source": {"id": [*sailpoint.account_sources]}}
    description = "Accounts deleted in SailPoint sources that count"
    rule = _build_partner_rule("SailPoint", description, sailpoint, "idn:account-deleted", detail)
    configuration = {**_render_partner(sailpoint), "AccountSources": sailpoint.account_sources}
    return Provider("sailpoint", (rule,), configuration)


def _build_offboarding_requested(requests: OffboardingRequests) -> Provider:
    pattern = {"source": ["workmail.offboarding"], "detail-type": ["Offboarding Requested", "Offboarding Withdrawn"]}
    rule = EventRule(
        "OffboardingRequested",
        "Requests for offboardings by other systems, and their withdrawals",
        pattern,
        requests.event_bus,
    )
    return Provider("offboardingRequested", (rule,))


def _build_partner_rule(
    name: str, description: str, provider: PartnerProvider, detail_type: str, detail: Mapping[str, object]
) -> EventRule:
    """Build a rule on a partner's event bus, which has the same name as the event source."""
    pattern = {"source": [provider.event_source], "detail-type": [detail_type], "detail": detail}
    return EventRule(name, description, pattern, provider.event_source)


def _render_partner(provider: PartnerProvider) -> dict[str, object]:
    organization = {"OrganizationId": provider.organization_id} if provider.organization_id else {}
    return {"EventSource": provider.event_source, **organization}
