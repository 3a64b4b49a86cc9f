"""The resources that executions share: the table of records and the policy parameter."""

from typing import Any

from tests.infrastructure.templates import Template, resources_of_type, single_resource, template_of

ORGANIZATION_ID = "m-" + "a1" * 16
ANOTHER_ID = "m-" + "b2" * 16
EXECUTIVES = {"protected": ["Chief@example.com", "svc-*"], "approvalRequired": ["*"]}


def synthesized(organization: dict[str, Any], **settings: Any) -> Template:
    return template_of({"organizations": [{"id": ORGANIZATION_ID, **organization}, {"id": ANOTHER_ID}], **settings})


def parameter(template: Template) -> dict[str, Any]:
    return single_resource(template, "AWS::SSM::Parameter")[1]["Properties"]


def key(partition: str, sort: str) -> list[dict[str, str]]:
    return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]


def test_the_records_are_kept_without_the_stack_and_cannot_be_deleted_by_mistake(template: Template) -> None:
    _, table = single_resource(template, "AWS::DynamoDB::Table")
    assert table["DeletionPolicy"] == "Retain"
    assert table["UpdateReplacePolicy"] == "Retain"
    assert table["Properties"]["DeletionProtectionEnabled"] is True
    assert table["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    # The key is the one that AWS manages for DynamoDB in this account.
    assert table["Properties"]["SSESpecification"] == {"SSEEnabled": True}
    assert table["Properties"]["BillingMode"] == "PAY_PER_REQUEST"
    assert table["Properties"]["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}
    assert "TableName" not in table["Properties"], "a stack that is created again would collide with the kept table"


def test_the_records_can_be_queried_by_execution_by_due_date_by_time_and_by_entity(template: Template) -> None:
    _, table = single_resource(template, "AWS::DynamoDB::Table")
    assert table["Properties"]["KeySchema"] == key("Id", "Part")
    assert table["Properties"]["GlobalSecondaryIndexes"] == [
        {"IndexName": name, "KeySchema": schema, "Projection": {"ProjectionType": "ALL"}}
        for name, schema in {
            "ByStatus": key("StatusKey", "DueAt"),
            "ByTime": key("Kind", "At"),
            "ByOrganization": key("OrganizationId", "At"),
            "ByEntity": key("EntityKey", "At"),
        }.items()
    ]
    types = {
        attribute["AttributeName"]: attribute["AttributeType"]
        for attribute in table["Properties"]["AttributeDefinitions"]
    }
    names = ["Id", "Part", "StatusKey", "DueAt", "Kind", "At", "OrganizationId", "EntityKey"]
    assert types == dict.fromkeys(names, "S")


def test_items_expire_by_their_own_date_if_a_retention_of_records_is_set() -> None:
    _, table = single_resource(synthesized({}), "AWS::DynamoDB::Table")
    assert table["Properties"]["TimeToLiveSpecification"] == {"AttributeName": "ExpiresAt", "Enabled": True}

    functions = resources_of_type(synthesized({}, recordRetentionDays=365), "AWS::Lambda::Function").values()
    variables = [function["Properties"]["Environment"]["Variables"] for function in functions]
    assert {names["RECORD_RETENTION_DAYS"] for names in variables if "RECORD_RETENTION_DAYS" in names} == {"365"}


def test_the_logical_ids_of_resources_that_waiting_versions_use_never_change(template: Template) -> None:
    """Another logical id creates another resource, but waiting versions have the name of the previous one."""
    kinds = ("AWS::DynamoDB::Table", "AWS::SSM::Parameter")
    identities = [single_resource(template, kind)[0] for kind in kinds]
    assert identities == ["RecordsTableC9B7A30B", "PolicyParameter29F142FF"]


def test_the_policy_parameter_has_the_settings_of_each_organization() -> None:
    template = synthesized(EXECUTIVES, dailyCap=7)
    assert parameter(template)["Type"] == "String"
    assert parameter(template)["Value"] == (
        f'{{"DailyCap":7,"Organizations":{{"{ORGANIZATION_ID}":{{"Protected":["chief@example.com","svc-*"],'
        f'"ApprovalRequired":["*"]}},"{ANOTHER_ID}":{{"Protected":[],"ApprovalRequired":[]}}}}}}'
    )


def test_a_policy_can_grow_above_4_kb_and_shrink_again() -> None:
    """Systems Manager makes a parameter advanced above 4 KB, and refuses to make it standard again."""
    long = {"protected": [f"service-account-{number:04}@example.com" for number in range(150)]}
    assert len(parameter(synthesized(long))["Value"]) > 4096
    assert parameter(synthesized(long))["Tier"] == parameter(synthesized({}))["Tier"] == "Intelligent-Tiering"


def test_a_changed_policy_changes_the_parameter_but_no_function() -> None:
    """So it applies to waiting executions, whose versions do not change."""
    default, changed = synthesized({})["Resources"], synthesized(EXECUTIVES, dailyCap=0)["Resources"]
    assert default.keys() == changed.keys()
    assert [name for name in default if default[name] != changed[name]] == ["PolicyParameter29F142FF"]
