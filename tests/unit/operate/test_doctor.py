"""Each check of `offboarding doctor`: once right, once wrong, and once denied."""

import json
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from botocore.stub import Stubber

from operate.account import Account, Stack
from operate.doctor import access, deployment, identities, listening, messages, organizations, upkeep
from operate.doctor.command import CREDENTIALS, GENERAL_CHECKS, STACK, STACK_CHECKS, iterate_findings
from operate.doctor.findings import Check, Finding, Result
from operate.doctor.setup import Resource, Setup
from tests.unit.operate.conftest import RunCommand, create_table

REGION, ACCOUNT = "us-east-1", "123456789012"
ORGANIZATION, FURTHER = "m-" + "1" * 32, "m-" + "2" * 32
OKTA = "aws.partner/okta.com/example/leavers"
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
OK, WRONG, UNKNOWN = Result.OK, Result.WRONG, Result.UNKNOWN

pytestmark = pytest.mark.usefixtures("aws")


def client(service: str) -> Any:
    return Account(region=REGION).client(service)


def make_setup(
    outputs: dict[str, str] | None = None,
    resources: dict[str, str] | None = None,
    settings: dict[str, Any] | None = None,
    **stack: Any,
) -> Setup:
    """Make a set-up whose stack is described by the test, and whose other calls go to the account in memory."""
    setup = Setup(Account(region=REGION))
    facts = {"name": "leavers", "id": "arn", "status": "CREATE_COMPLETE", "is_protected": True, **stack}
    setup.stack = Stack(outputs=outputs or {}, **facts)
    setup.resources = [Resource(type_, id_, NOW) for id_, type_ in (resources or {}).items()]
    setup.identities = settings or {}
    return setup


@pytest.fixture
def stub() -> Iterator[Callable[..., None]]:
    """Return a function that gives the next answers, or the code of an error, of a service."""
    stubbers: dict[str, Stubber] = {}

    def answer(service: str, operation: str, response: dict[str, Any] | str) -> None:
        if service not in stubbers:
            stubbers[service] = Stubber(client(service))
            stubbers[service].activate()
        if isinstance(response, str):
            stubbers[service].add_client_error(operation, response, "No.")
        else:
            stubbers[service].add_response(operation, response)

    yield answer
    for stubber in stubbers.values():
        stubber.deactivate()
        stubber.assert_no_pending_responses()


Find = Callable[[Setup], Iterator[Finding]]


def results(find: Find, setup: Setup) -> list[Result]:
    return [finding.result for finding in find(setup)]


def require_single_finding(find: Find, setup: Setup) -> Finding:
    [finding] = find(setup)
    return finding


def problem(find: Find, setup: Setup) -> Finding:
    """Return the one thing that is wrong; each problem has an advice."""
    [finding] = [finding for finding in find(setup) if finding.result != OK]
    assert finding.result == WRONG
    assert finding.advice
    return finding


def test_without_an_endpoint_calls_go_to_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    assert require_single_finding(access.check_endpoint, make_setup()) == Finding(OK, "Calls go to AWS.")


def test_an_endpoint_that_is_no_embedded_aws_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert "http://127.0.0.1:9" in problem(access.check_endpoint, make_setup()).message


def test_the_endpoint_of_the_embedded_aws_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: BytesIO(b'{"Now": "2026-11-26T12:00:00Z"}'))
    finding = require_single_finding(access.check_endpoint, make_setup())
    assert (finding.result, "the embedded AWS" in finding.message) == (OK, True)


def test_the_caller_is_named() -> None:
    finding = require_single_finding(access.check_credentials, make_setup())
    assert finding.result == OK
    assert f"in the account {ACCOUNT}" in finding.message


def test_without_credentials_nothing_else_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)

    def refuse(*_: Any) -> None:
        raise NoCredentialsError

    monkeypatch.setattr(Account, "client", refuse)
    findings = [*iterate_findings(Setup(Account(region=REGION)))]
    assert [(check.subject, finding.result) for check, finding in findings] == [
        ("endpoint", OK),
        ("credentials", WRONG),
    ]
    assert "There are no AWS credentials." in findings[-1][1].message


@pytest.mark.parametrize(
    ("region", "workmail_region", "result"),
    [("us-east-1", None, OK), ("eu-central-1", "eu-west-1", OK), ("eu-central-1", None, WRONG)],
)
def test_the_region_needs_workmail(region: str, workmail_region: str | None, result: Result) -> None:
    setup = Setup(Account(region=region), workmail_region)
    setup.stack = None
    finding = require_single_finding(access.check_region, setup)
    assert finding.result == result
    assert (workmail_region or region) in finding.message


def test_the_region_of_the_organizations_is_an_output_of_the_stack() -> None:
    assert make_setup({"OrganizationsRegion": "eu-west-1"}).workmail_region == "eu-west-1"


def summary(id_: str, state: str = "Active") -> dict[str, str]:
    return {"OrganizationId": id_, "Alias": f"company-{id_[2]}", "State": state}


def test_the_organizations_are_named_with_their_ids(stub: Callable[..., None]) -> None:
    summaries = [summary(ORGANIZATION), summary(FURTHER, "Creating"), summary("m-" + "3" * 32, "Deleted")]
    stub("workmail", "list_organizations", {"OrganizationSummaries": summaries})
    assert [finding.message for finding in organizations.check_organizations(make_setup())] == [
        f"{ORGANIZATION} (company-1) is active in us-east-1: this id can go into cdk.json.",
        f"{FURTHER} (company-2) is Creating in us-east-1, and nothing can be done in it.",
    ]


def test_an_account_without_organizations_is_wrong(stub: Callable[..., None]) -> None:
    stub("workmail", "list_organizations", {"OrganizationSummaries": []})
    assert "no WorkMail organization in us-east-1" in problem(organizations.check_organizations, make_setup()).message


def served(*ids: str) -> Setup:
    setup = make_setup()
    setup.served_organization_ids = [*ids]
    return setup


@pytest.mark.parametrize(
    ("ids", "state", "expected"),
    [
        ([ORGANIZATION], "Active", [OK]),
        ([ORGANIZATION], "Suspended", [WRONG]),
        ([FURTHER], "Active", [WRONG, OK]),
        ([], "Active", [OK]),
    ],
)
def test_an_organization_that_the_stack_serves_must_be_active(
    stub: Callable[..., None], ids: list[str], state: str, expected: list[Result]
) -> None:
    stub("workmail", "list_organizations", {"OrganizationSummaries": [summary(ORGANIZATION, state)]})
    assert results(organizations.check_served_organizations, served(*ids)) == expected


def test_the_served_organizations_are_the_parameters_of_the_stack() -> None:
    for name in (f"organizations/{ORGANIZATION}", "intake/providers/okta", f"archives/{FURTHER}"):
        value = json.dumps({"EventSource": OKTA})
        client("ssm").put_parameter(Name=f"/leavers-test/{name}", Value=value, Type="String")
    setup = Setup(Account(region=REGION, stack_name="leavers-test"))
    assert setup.served_organization_ids == [ORGANIZATION]
    assert setup.find_provider("okta") == {"EventSource": OKTA}
    assert setup.find_provider("auth0") is None


def test_a_damaged_parameter_ends_no_run() -> None:
    client("ssm").put_parameter(Name="/damaged/intake/providers/okta", Value="{", Type="String")
    [check] = [check for check in STACK_CHECKS if check.subject == "event sources"]
    [finding] = check.run(Setup(Account(region=REGION, stack_name="damaged")))
    assert finding.result == UNKNOWN
    assert "intake/providers/okta" in finding.message


@pytest.mark.parametrize(("version", "result"), [(None, WRONG), ("5", WRONG), ("30", OK)])
def test_the_bootstrap_must_be_recent(stub: Callable[..., None], version: str | None, result: Result) -> None:
    stub("ssm", "get_parameter", {"Parameter": {"Value": version}} if version else "ParameterNotFound")
    assert require_single_finding(deployment.check_bootstrap, make_setup()).result == result


@pytest.mark.parametrize(("limit", "unreserved", "result"), [(1000, 1000, OK), (1000, 900, OK), (10, 10, WRONG)])
def test_a_low_limit_of_lambda_is_wrong(stub: Callable[..., None], limit: int, unreserved: int, result: Result) -> None:
    limits = {"ConcurrentExecutions": limit, "UnreservedConcurrentExecutions": unreserved}
    stub("lambda", "get_account_settings", {"AccountLimit": limits})
    finding = require_single_finding(deployment.check_concurrency, make_setup())
    assert finding.result == result
    assert finding.message.startswith(f"AWS Lambda runs {limit} functions at once")
    assert ("900 of them" in finding.message) == (unreserved == 900)


@pytest.mark.parametrize(
    ("status", "result"),
    [
        ("CREATE_COMPLETE", OK),
        ("UPDATE_COMPLETE", OK),
        ("UPDATE_ROLLBACK_COMPLETE", WRONG),
        ("ROLLBACK_COMPLETE", WRONG),
        ("DELETE_FAILED", WRONG),
        ("REVIEW_IN_PROGRESS", WRONG),
        ("UPDATE_IN_PROGRESS", UNKNOWN),
    ],
)
def test_the_status_of_the_stack_is_judged(status: str, result: Result) -> None:
    finding = require_single_finding(deployment.check_stack, make_setup(status=status))
    assert (finding.result, status in finding.message or "last update" in finding.message) == (result, True)


def test_a_stack_that_is_not_there_is_told_with_what_to_do() -> None:
    setup = Setup(Account(region=REGION))
    assert problem(deployment.check_stack, setup).message == "There is no stack workmail-offboarding in us-east-1 yet."


def test_an_unprotected_stack_is_wrong() -> None:
    advice = problem(deployment.check_stack, make_setup(is_protected=False)).advice
    assert advice is not None
    assert "--stack-name leavers --enable-termination-protection --region us-east-1" in advice


RULE = {"rule-1": "AWS::Events::Rule"}


@pytest.fixture
def rule() -> Iterator[str]:
    events = client("events")
    events.put_rule(Name="rule-1", EventPattern='{"source": ["a"]}')
    events.put_rule(Name="of-somebody-else", EventPattern='{"source": ["a"]}', State="DISABLED")
    yield "rule-1"
    events.delete_rule(Name="rule-1")
    events.delete_rule(Name="of-somebody-else")


def test_enabled_rules_are_right(rule: str) -> None:
    assert require_single_finding(listening.check_rules, make_setup(resources=RULE)) == Finding(
        OK, "All rules are enabled: 1."
    )


def test_a_disabled_rule_is_wrong(rule: str) -> None:
    client("events").disable_rule(Name=rule)
    finding = problem(listening.check_rules, make_setup(resources=RULE))
    assert finding.advice == "Run: aws events enable-rule --name rule-1 --region us-east-1"


def test_a_rule_that_is_gone_is_wrong() -> None:
    assert "rule-1 is gone" in problem(listening.check_rules, make_setup(resources=RULE)).message


def test_a_rule_of_another_bus_is_found_by_the_id_that_cloudformation_gives_it() -> None:
    events = client("events")
    events.create_event_bus(Name="requests")
    events.put_rule(Name="rule-2", EventPattern='{"source": ["a"]}', EventBusName="requests", State="DISABLED")
    finding = problem(listening.check_rules, make_setup(resources={"requests|rule-2": "AWS::Events::Rule"}))
    assert finding.advice is not None
    assert "--event-bus-name requests" in finding.advice


def test_further_pages_of_event_buses_are_read(stub: Callable[..., None]) -> None:
    stub("events", "list_event_buses", {"EventBuses": [], "NextToken": "next"})
    stub("events", "list_event_buses", {"EventBuses": [{"Name": "default"}]})
    stub("events", "list_rules", {"Rules": [{"Name": "rule-1", "State": "ENABLED"}]})
    assert results(listening.check_rules, make_setup(resources=RULE)) == [OK]


PARTNER = {"providers/okta": {"EventSource": OKTA}, f"organizations/{ORGANIZATION}": {"IdentityStores": []}}


def test_an_associated_event_source_is_right(stub: Callable[..., None]) -> None:
    stub("events", "describe_event_source", {"State": "ACTIVE"})
    stub("events", "describe_event_bus", {"Name": OKTA})
    assert results(listening.check_partner_sources, make_setup(settings=PARTNER)) == [OK]


def test_a_pending_event_source_is_wrong(stub: Callable[..., None]) -> None:
    stub("events", "describe_event_source", {"State": "PENDING"})
    finding = problem(listening.check_partner_sources, make_setup(settings=PARTNER))
    assert finding.advice == (
        f"Run: aws events create-event-bus --name {OKTA} --event-source-name {OKTA} --region us-east-1"
    )


def test_a_missing_event_source_is_wrong(stub: Callable[..., None]) -> None:
    stub("events", "describe_event_source", "ResourceNotFoundException")
    assert "is missing" in problem(listening.check_partner_sources, make_setup(settings=PARTNER)).message


def test_a_missing_event_bus_is_wrong(stub: Callable[..., None]) -> None:
    stub("events", "describe_event_source", {"State": "ACTIVE"})
    stub("events", "describe_event_bus", "ResourceNotFoundException")
    assert "is missing" in problem(listening.check_partner_sources, make_setup(settings=PARTNER)).message


FIRST_MAPPING, SECOND_MAPPING = (f"{number}0000000-0000-4000-8000-000000000000" for number in (1, 2))
MAPPINGS = dict.fromkeys((FIRST_MAPPING, SECOND_MAPPING), "AWS::Lambda::EventSourceMapping")


def test_enabled_mappings_are_right(stub: Callable[..., None]) -> None:
    for state in ("Enabled", "Updating"):
        stub("lambda", "get_event_source_mapping", {"State": state})
    assert results(listening.check_mappings, make_setup(resources=MAPPINGS)) == [OK]


@pytest.mark.parametrize("answer", [{"State": "Disabled"}, "ResourceNotFoundException"])
def test_a_disabled_mapping_is_wrong(stub: Callable[..., None], answer: Any) -> None:
    stub("lambda", "get_event_source_mapping", {"State": "Enabled"})
    stub("lambda", "get_event_source_mapping", answer)
    assert f"{SECOND_MAPPING} is disabled" in problem(listening.check_mappings, make_setup(resources=MAPPINGS)).message


def test_a_paused_intake_is_told_as_that(stub: Callable[..., None]) -> None:
    for state in ("Disabled", "Enabled"):
        stub("lambda", "get_event_source_mapping", {"State": state})
    setup = make_setup({"EventSourceMappingId": FIRST_MAPPING}, MAPPINGS)
    assert "is paused" in problem(listening.check_mappings, setup).message


@pytest.mark.parametrize(("state", "result"), [("ENABLED", OK), ("DISABLED", WRONG)])
def test_the_schedule_must_be_enabled(stub: Callable[..., None], state: str, result: Result) -> None:
    stub("scheduler", "get_schedule", {"State": state})
    setup = make_setup(resources={"sweep": "AWS::Scheduler::Schedule"})
    assert require_single_finding(listening.check_schedule, setup).result == result


TRAIL = {"Name": "audit", "TrailARN": "arn:aws:cloudtrail:us-east-1:123456789012:trail/audit", "HomeRegion": REGION}
ALL_EVENTS = {"EventSelectors": [{"IncludeManagementEvents": True, "ReadWriteType": "All"}]}


def advanced(**fields: str) -> dict[str, Any]:
    selectors = [{"Field": name, "Equals": [value]} for name, value in fields.items()]
    return {"AdvancedEventSelectors": [{"FieldSelectors": selectors}]}


def answer_for_trail(stub: Callable[..., None], selectors: dict[str, Any], *, is_logging: bool = True) -> None:
    stub("cloudtrail", "describe_trails", {"trailList": [TRAIL]})
    stub("cloudtrail", "get_trail_status", {"IsLogging": is_logging})
    if is_logging:
        stub("cloudtrail", "get_event_selectors", selectors)


@pytest.mark.parametrize("selectors", [ALL_EVENTS, advanced(eventCategory="Management")])
def test_a_trail_of_management_events_is_right(stub: Callable[..., None], selectors: dict[str, Any]) -> None:
    answer_for_trail(stub, selectors)
    assert require_single_finding(identities.check_trail, make_setup()).result == OK


@pytest.mark.parametrize(
    "selectors",
    [
        {"EventSelectors": [{"IncludeManagementEvents": False}]},
        {"EventSelectors": [{"IncludeManagementEvents": True, "ReadWriteType": "ReadOnly"}]},
        advanced(eventCategory="Data"),
        advanced(eventCategory="Management", readOnly="true"),
    ],
)
def test_a_trail_without_calls_that_write_is_wrong(stub: Callable[..., None], selectors: dict[str, Any]) -> None:
    answer_for_trail(stub, selectors)
    assert "StartedBy" in problem(identities.check_trail, make_setup()).message


def test_a_trail_that_is_stopped_is_wrong(stub: Callable[..., None]) -> None:
    answer_for_trail(stub, {}, is_logging=False)
    setup = make_setup(settings={"providers/identityCenterCloudTrail": {}})
    assert problem(identities.check_trail, setup).message.endswith("no leaver arrives by identityCenterCloudTrail.")


def test_a_trail_of_another_region_is_wrong(stub: Callable[..., None]) -> None:
    stub("cloudtrail", "describe_trails", {"trailList": [{**TRAIL, "HomeRegion": "eu-west-1"}]})
    problem(identities.check_trail, make_setup())


STORE = "d-1234567890"
IDENTITY_CENTER = {
    "providers/identityCenterScim": {"Tenants": {"tenant": STORE}},
    f"organizations/{ORGANIZATION}": {"IdentityStores": [STORE]},
}


def instance(**members: str) -> dict[str, Any]:
    facts = {"IdentityStoreId": STORE, "OwnerAccountId": ACCOUNT, "Status": "ACTIVE"}
    return {"Instances": [{**facts, **members}]}


def test_identity_center_of_the_settings_is_right(stub: Callable[..., None]) -> None:
    stub("sso-admin", "list_instances", instance())
    assert results(identities.check_identity_center, make_setup(settings=IDENTITY_CENTER)) == [OK]


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        ({"Instances": []}, "there is none"),
        (instance(IdentityStoreId="d-0000000000"), "there is d-0000000000"),
        (instance(OwnerAccountId="210987654321"), "belongs to the account 210987654321"),
        (instance(Status="DELETE_IN_PROGRESS"), "is DELETE_IN_PROGRESS"),
    ],
)
def test_another_identity_center_is_wrong(stub: Callable[..., None], answer: dict[str, Any], part: str) -> None:
    stub("sso-admin", "list_instances", answer)
    assert part in problem(identities.check_identity_center, make_setup(settings=IDENTITY_CENTER)).message


def test_without_its_events_identity_center_is_not_asked_for() -> None:
    setup = make_setup(settings={f"organizations/{ORGANIZATION}": {"IdentityStores": [STORE]}})
    assert results(identities.check_identity_center, setup) == []


@pytest.fixture
def topic() -> Iterator[str]:
    arn = client("sns").create_topic(Name="mails")["TopicArn"]
    yield arn
    client("sns").delete_topic(TopicArn=arn)


def test_a_topic_with_a_subscriber_is_right(topic: str) -> None:
    client("sns").subscribe(TopicArn=topic, Protocol="email", Endpoint="helpdesk@example.com")
    finding = require_single_finding(messages.check_subscriptions, make_setup({"NotificationTopicArn": topic}))
    assert finding == Finding(OK, "The mails about approvals and failures have subscribers: 1.")


def test_a_topic_without_subscribers_is_wrong(topic: str) -> None:
    finding = problem(messages.check_subscriptions, make_setup({"AlarmTopicArn": topic}))
    assert finding.message == "Nobody gets the alarms."
    assert f"--topic-arn {topic}" in str(finding.advice)


def test_an_unconfirmed_subscription_is_wrong(stub: Callable[..., None]) -> None:
    subscription = {"SubscriptionArn": "PendingConfirmation", "Endpoint": "helpdesk@example.com"}
    stub("sns", "list_subscriptions_by_topic", {"Subscriptions": [subscription]})
    finding = problem(messages.check_subscriptions, make_setup({"AlarmTopicArn": "arn:aws:sns:us-east-1:1:alarms"}))
    assert "helpdesk@example.com" in finding.message


def test_a_subscription_that_was_ended_is_none(stub: Callable[..., None]) -> None:
    subscription = {"SubscriptionArn": "Deleted", "Endpoint": "helpdesk@example.com"}
    stub("sns", "list_subscriptions_by_topic", {"Subscriptions": [subscription]})
    setup = make_setup({"AlarmTopicArn": "arn:aws:sns:us-east-1:1:alarms"})
    assert problem(messages.check_subscriptions, setup).message == "Nobody gets the alarms."


@pytest.fixture
def queue() -> Iterator[str]:
    url = client("sqs").create_queue(QueueName="dead")["QueueUrl"]
    yield url
    client("sqs").delete_queue(QueueUrl=url)


def test_empty_dead_letter_queues_are_right(queue: str) -> None:
    outputs = {"EventDeadLetterQueueUrl": queue, "EventQueueUrl": "not asked for"}
    assert require_single_finding(messages.check_dead_letters, make_setup(outputs)).result == OK


def test_dead_letters_are_wrong(queue: str) -> None:
    client("sqs").send_message(QueueUrl=queue, MessageBody="{}")
    finding = problem(messages.check_dead_letters, make_setup({"EventDeadLetterQueueUrl": queue}))
    assert "about 1, in the queue EventDeadLetterQueueUrl" in finding.message


@pytest.mark.parametrize(("state", "result"), [("OK", OK), ("INSUFFICIENT_DATA", OK), ("ALARM", WRONG)])
def test_an_alarm_that_rings_is_wrong(state: str, result: Result) -> None:
    cloudwatch = client("cloudwatch")
    for name in ("alarm-1", "of-somebody-else"):
        cloudwatch.put_metric_alarm(
            **{"AlarmName": name, "AlarmDescription": "Nobody could be told.", "MetricName": "m", "Namespace": "n"},
            **{"ComparisonOperator": "GreaterThanThreshold", "Threshold": 1, "Period": 60, "EvaluationPeriods": 1},
            Statistic="Sum",
        )
    cloudwatch.set_alarm_state(AlarmName="of-somebody-else", StateValue="ALARM", StateReason="r")
    cloudwatch.set_alarm_state(AlarmName="alarm-1", StateValue=state, StateReason="r")
    finding = require_single_finding(messages.check_alarms, make_setup(resources={"alarm-1": "AWS::CloudWatch::Alarm"}))
    assert finding.result == result
    assert ("Nobody could be told." in finding.message) == (result == WRONG)


def test_an_alarm_that_somebody_has_deleted_or_silenced_is_wrong() -> None:
    cloudwatch = client("cloudwatch")
    names = ["leavers-NotTold", "leavers-Throttled"]
    for name in names:
        cloudwatch.put_metric_alarm(
            **{"AlarmName": name, "MetricName": "m", "Namespace": "n", "Statistic": "Sum"},
            **{"ComparisonOperator": "GreaterThanThreshold", "Threshold": 1, "Period": 60, "EvaluationPeriods": 1},
        )
    setup = make_setup(resources=dict.fromkeys(names, "AWS::CloudWatch::Alarm"))
    assert require_single_finding(messages.check_alarms, setup) == Finding(OK, "No alarm rings: 2.")

    cloudwatch.disable_alarm_actions(AlarmNames=["leavers-NotTold"])
    assert "leavers-NotTold are disabled" in problem(messages.check_alarms, setup).message
    cloudwatch.enable_alarm_actions(AlarmNames=["leavers-NotTold"])
    cloudwatch.delete_alarms(AlarmNames=["leavers-Throttled"])
    assert "leavers-Throttled does not exist" in problem(messages.check_alarms, setup).message
    cloudwatch.delete_alarms(AlarmNames=["leavers-NotTold"])
    finding = require_single_finding(messages.check_alarms, make_setup())
    assert (finding.result, "has no alarms" in finding.message) == (OK, True)


@pytest.mark.parametrize(
    ("swept_until", "deployed_hours_ago", "result"),
    [
        ("2026-11-26T02:00:00.000Z", 100, OK),
        ("2026-11-25T11:00:00.000Z", 100, WRONG),
        (None, 5, OK),
        (None, 100, WRONG),
    ],
)
def test_a_sweep_must_not_be_older_than_a_day(
    monkeypatch: pytest.MonkeyPatch, swept_until: str | None, deployed_hours_ago: int, result: Result
) -> None:
    dynamodb = client("dynamodb")
    create_table(dynamodb, "swept")
    monkeypatch.setattr(Account, "read_time", lambda _: NOW)
    if swept_until:
        item = {"Id": {"S": "sweep"}, "Part": {"S": "State"}, "SweptUntil": {"S": swept_until}}
        dynamodb.put_item(TableName="swept", Item=item)
    setup = make_setup({"RecordsTableName": "swept"})
    setup.resources = [Resource("AWS::DynamoDB::Table", "swept", NOW - timedelta(hours=deployed_hours_ago))]
    finding = require_single_finding(upkeep.check_sweep, setup)
    dynamodb.delete_table(TableName="swept")
    assert finding.result == result


@pytest.fixture
def archive() -> dict[str, str]:
    key = client("kms").create_key()["KeyMetadata"]["Arn"]
    name = f"archives-{key[-12:]}"
    s3 = client("s3")
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    encryption = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    rules = [{"ApplyServerSideEncryptionByDefault": encryption}]
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": rules})
    return {"ArchiveBucketName": name, "ArchiveKeyArn": key}


def test_a_bucket_and_a_key_as_deployed_are_right(archive: dict[str, str]) -> None:
    assert results(upkeep.check_archives, make_setup(archive)) == [OK, OK]


def test_a_stack_without_exports_has_no_archives_to_check() -> None:
    assert results(upkeep.check_archives, make_setup()) == []


def test_a_key_that_is_being_deleted_is_wrong(archive: dict[str, str]) -> None:
    client("kms").schedule_key_deletion(KeyId=archive["ArchiveKeyArn"].rpartition("/")[2])
    finding = problem(upkeep.check_archives, make_setup(archive))
    assert "is PendingDeletion" in finding.message
    assert "cancel-key-deletion" in str(finding.advice)


def test_a_disabled_key_is_wrong(archive: dict[str, str]) -> None:
    client("kms").disable_key(KeyId=archive["ArchiveKeyArn"].rpartition("/")[2])
    finding = problem(upkeep.check_archives, make_setup(archive))
    assert "cancel-key-deletion" not in str(finding.advice)


def test_a_deleted_key_is_wrong(archive: dict[str, str]) -> None:
    key = archive["ArchiveKeyArn"][:-1] + ("0" if archive["ArchiveKeyArn"][-1] != "0" else "1")
    findings = [*upkeep.check_archives(make_setup({**archive, "ArchiveKeyArn": key}))]
    assert "is deleted" in findings[0].message
    assert "not encrypted with the key" in findings[1].message


def test_a_bucket_that_is_not_versioned_is_wrong(archive: dict[str, str], stub: Callable[..., None]) -> None:
    s3, bucket = client("s3"), archive["ArchiveBucketName"]
    encryption = s3.get_bucket_encryption(Bucket=bucket)
    stub("s3", "get_bucket_versioning", {"Status": "Suspended"})
    stub("s3", "get_object_lock_configuration", "ObjectLockConfigurationNotFoundError")
    stub(
        "s3",
        "get_bucket_encryption",
        {"ServerSideEncryptionConfiguration": encryption["ServerSideEncryptionConfiguration"]},
    )
    problems = [finding.message for finding in upkeep.check_archives(make_setup(archive)) if finding.result == WRONG]
    assert problems == [f"The bucket {bucket} is not versioned.", f"The bucket {bucket} has no object lock."]


def test_a_bucket_that_is_gone_is_wrong(archive: dict[str, str]) -> None:
    finding = problem(upkeep.check_archives, make_setup({**archive, "ArchiveBucketName": "gone"}))
    assert finding.message == "The bucket of the archives gone does not exist."


class DeniedClient:
    """A client of somebody who is allowed nothing."""

    def __getattr__(self, name: str) -> Any:
        def refuse(*_: Any, **__: Any) -> None:
            operation = "".join(word.capitalize() for word in name.split("_"))
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "No."}}, operation)

        return refuse

    def get_paginator(self, name: str) -> Any:
        paginator = DeniedClient()
        paginator.paginate = getattr(self, name)
        return paginator


OUTPUTS = {
    **{"RecordsTableName": "t", "AlarmTopicArn": "arn", "EventDeadLetterQueueUrl": "https://q"},
    **{"ArchiveBucketName": "b", "ArchiveKeyArn": "arn:aws:kms:us-east-1:1:key/1"},
}
RESOURCES = {
    **{"1": "AWS::Scheduler::Schedule", "2": "AWS::Lambda::EventSourceMapping"},
    **{"3": "AWS::Events::Rule", "4": "AWS::CloudWatch::Alarm"},
}
SETTINGS = {**PARTNER, **IDENTITY_CENTER}
CALLING_CHECKS = [check for check in (STACK, *GENERAL_CHECKS, *STACK_CHECKS) if check.actions]


@pytest.mark.parametrize("check", CALLING_CHECKS, ids=lambda check: check.subject)
def test_a_denied_call_is_a_finding_with_the_action_that_is_missing(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = make_setup(OUTPUTS, RESOURCES, SETTINGS)
    if check is STACK:
        del setup.stack
    monkeypatch.setattr(Account, "client", lambda *_: DeniedClient())
    [finding] = check.run(setup)
    assert finding.result == UNKNOWN
    action = finding.message.removeprefix("It could not be checked: ").removesuffix(" is not allowed.")
    assert set(action.split(" or ")) <= set(check.actions)
    assert action in str(finding.advice)


def test_the_action_is_the_one_that_the_service_names() -> None:
    message = "User: u is not authorized to perform: s3:GetEncryptionConfiguration on resource: b"

    def refuse(_: Setup) -> Iterator[Finding]:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": message}}, "GetBucketEncryption")

    [finding] = Check("archives", refuse, ("kms:DescribeKey",)).run(make_setup())
    assert finding.message == "It could not be checked: s3:GetEncryptionConfiguration is not allowed."


def test_a_service_that_does_not_answer_ends_no_run() -> None:
    def fail(_: Setup) -> Iterator[Finding]:
        yield Finding(OK, "The first is right.")
        raise ClientError({"Error": {"Code": "InternalFailure", "Message": "Later."}}, "ListRules")

    findings = [*Check("rules", fail).run(make_setup())]
    assert [finding.result for finding in findings] == [OK, UNKNOWN]
    assert "ListRules (InternalFailure): Later." in findings[1].message


def test_every_answer_of_an_unknown_stack_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Account.client

    def client_of(account: Account, service: str) -> Any:
        return DeniedClient() if service != "sts" else real(account, service)

    monkeypatch.setattr(Account, "client", client_of)
    findings = [*iterate_findings(Setup(Account(region=REGION), REGION))]
    assert [(check.subject, finding.result) for check, finding in findings[-2:]] == [("stack", UNKNOWN)] * 2
    assert findings[1][0] is CREDENTIALS


def test_the_command_prints_each_finding_with_its_advice(
    run: RunCommand, stub: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    stub("workmail", "list_organizations", {"OrganizationSummaries": [summary(ORGANIZATION)]})
    stub("lambda", "get_account_settings", "InternalFailure")
    result = run("doctor", "--region", REGION)
    assert result.exit_code == 1
    assert f"ok       WorkMail organizations: {ORGANIZATION} (company-1) is active" in result.stdout
    assert "wrong    stack: There is no stack workmail-offboarding in us-east-1 yet.\n         Put" in result.stdout
    assert result.stdout.endswith("4 ok, 2 wrong, 1 unknown\n")
    assert result.stderr == "Something is wrong with the set-up (2).\n"


def test_the_command_prints_json_for_programs(
    run: RunCommand, stub: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    stub("workmail", "list_organizations", {"OrganizationSummaries": []})
    stub("lambda", "get_account_settings", "InternalFailure")
    findings = json.loads(run("doctor", "--region", REGION, "--json").stdout)
    assert findings[0] == {"Check": "endpoint", "Result": "ok", "Message": "Calls go to AWS."}
    assert [finding["Check"] for finding in findings if finding["Result"] == "unknown"] == ["AWS Lambda"]
    assert all("Advice" in finding for finding in findings if finding["Result"] == "wrong")
