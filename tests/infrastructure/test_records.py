"""What outlives the executions and what rules them: the records, the policy, and who is told of approvals."""

from typing import Any

from tests.infrastructure.templates import Template, of_type, template_of, the_one

ORGANIZATION_ID = "m-" + "a1" * 16
ANOTHER_ID = "m-" + "b2" * 16
EXECUTIVES = {"protected": ["Chief@example.com", "svc-*"], "approvalRequired": ["*"]}


def synthesized(organization: dict[str, Any], **settings: Any) -> Template:
    return template_of({"organizations": [{"id": ORGANIZATION_ID, **organization}, {"id": ANOTHER_ID}], **settings})


def parameter(template: Template) -> dict[str, Any]:
    return the_one(template, "AWS::SSM::Parameter")[1]["Properties"]


def key(partition: str, sort: str) -> list[dict[str, str]]:
    return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]


def test_the_records_outlive_the_stack_and_nobody_deletes_them_by_mistake(template: Template) -> None:
    _, table = the_one(template, "AWS::DynamoDB::Table")
    assert table["DeletionPolicy"] == "Retain"
    assert table["UpdateReplacePolicy"] == "Retain"
    assert table["Properties"]["DeletionProtectionEnabled"] is True
    assert table["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    # Without a key of its own: the one that AWS manages for DynamoDB in this account.
    assert table["Properties"]["SSESpecification"] == {"SSEEnabled": True}
    assert table["Properties"]["BillingMode"] == "PAY_PER_REQUEST"
    assert "TableName" not in table["Properties"], "a stack that is made again would collide with what is kept"


def test_the_records_are_found_by_execution_by_what_is_due_and_by_organization(template: Template) -> None:
    _, table = the_one(template, "AWS::DynamoDB::Table")
    assert table["Properties"]["KeySchema"] == [{"AttributeName": "Id", "KeyType": "HASH"}]
    assert table["Properties"]["GlobalSecondaryIndexes"] == [
        {"IndexName": name, "KeySchema": schema, "Projection": {"ProjectionType": "ALL"}}
        for name, schema in {
            "ByStatus": key("StatusKey", "DueAt"),
            "ByOrganization": key("OrganizationId", "StartedAt"),
        }.items()
    ]
    types = {one["AttributeName"]: one["AttributeType"] for one in table["Properties"]["AttributeDefinitions"]}
    assert types == dict.fromkeys(["Id", "StatusKey", "DueAt", "OrganizationId", "StartedAt"], "S")


def test_what_waiting_versions_know_by_name_never_changes_its_identity(template: Template) -> None:
    """Another logical id makes another resource, and the versions that wait were told the name of the former one."""
    kinds = ("AWS::DynamoDB::Table", "AWS::SSM::Parameter", "AWS::SNS::Topic")
    identities = [the_one(template, kind)[0] for kind in kinds]
    assert identities == ["RecordsTableC9B7A30B", "PolicyParameter29F142FF", "ApprovalsTopicA799959D"]


def test_the_policy_is_what_the_settings_say_of_each_organization() -> None:
    template = synthesized(EXECUTIVES, dailyCap=7)
    assert parameter(template)["Type"] == "String"
    assert parameter(template)["Value"] == (
        f'{{"DailyCap":7,"Organizations":{{"{ORGANIZATION_ID}":{{"Protected":["chief@example.com","svc-*"],'
        f'"ApprovalRequired":["*"]}},"{ANOTHER_ID}":{{"Protected":[],"ApprovalRequired":[]}}}}}}'
    )


def test_a_policy_that_grows_and_shrinks_again_can_be_deployed() -> None:
    """Systems Manager makes a parameter advanced above 4 KB, and refuses to make it a standard one again."""
    long = {"protected": [f"service-account-{number:04}@example.com" for number in range(150)]}
    assert len(parameter(synthesized(long))["Value"]) > 4096
    assert parameter(synthesized(long))["Tier"] == parameter(synthesized({}))["Tier"] == "Intelligent-Tiering"


def test_a_changed_policy_touches_the_parameter_and_no_function() -> None:
    """So it counts for executions that wait, whose versions stay as they are."""
    before, after = synthesized({})["Resources"], synthesized(EXECUTIVES, dailyCap=0)["Resources"]
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] != after[name]] == ["PolicyParameter29F142FF"]


def test_requests_for_approval_are_encrypted_and_published_over_tls_only(template: Template) -> None:
    topic, resource = the_one(template, "AWS::SNS::Topic")
    assert resource["Properties"] == {"KmsMasterKeyId": "alias/aws/sns"}
    _, policy = the_one(template, "AWS::SNS::TopicPolicy")
    assert policy["Properties"]["Topics"] == [{"Ref": topic}]
    [tls] = policy["Properties"]["PolicyDocument"]["Statement"]
    assert (tls["Effect"], tls["Action"], tls["Principal"]) == ("Deny", "sns:Publish", "*")
    assert tls["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_whoever_is_named_is_told_of_approvals_by_email(template: Template) -> None:
    assert not of_type(template, "AWS::SNS::Subscription")
    told = synthesized({}, approvalEmails=["it@example.com", "Helpdesk@example.com"])
    subscriptions = [one["Properties"] for one in of_type(told, "AWS::SNS::Subscription").values()]
    topic = {"Ref": the_one(told, "AWS::SNS::Topic")[0]}
    assert sorted(subscriptions, key=lambda one: one["Endpoint"]) == [
        {"Protocol": "email", "TopicArn": topic, "Endpoint": email}
        for email in ("helpdesk@example.com", "it@example.com")
    ]
