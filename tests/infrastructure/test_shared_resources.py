"""The resources that executions share: the table of records and the policy parameter."""

from typing import Any

from tests.infrastructure.templates import Template, resources_of_type, single_resource, template_of

ORGANIZATION_ID = "m-" + "a1" * 16
ANOTHER_ID = "m-" + "b2" * 16
EXPORT = '"Export":{"Mode":"No","MayBeSkipped":false}'
EXECUTIVES = {"protected": ["Chief@example.com", "svc-*"], "approvalRequired": ["*"]}


def synthesized(organization: dict[str, Any], **settings: Any) -> Template:
    return template_of({"organizations": [{"id": ORGANIZATION_ID, **organization}, {"id": ANOTHER_ID}], **settings})


def policies(template: Template) -> dict[str, str]:
    """Return the values of the parameters by their names."""
    parameters = resources_of_type(template, "AWS::SSM::Parameter").values()
    return {parameter["Properties"]["Name"]: parameter["Properties"]["Value"] for parameter in parameters}


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


def test_the_logical_id_of_the_table_that_waiting_versions_use_never_changes(template: Template) -> None:
    """Another logical id creates another table, but waiting versions have the name of the previous one."""
    assert single_resource(template, "AWS::DynamoDB::Table")[0] == "RecordsTableC9B7A30B"


def test_each_organization_has_a_parameter_at_a_fixed_path() -> None:
    """Waiting versions have the path in their environment."""
    assert policies(synthesized(EXECUTIVES, dailyCap=7, handCap=None)) == {
        f"/workmail-offboarding/organizations/{ORGANIZATION_ID}": (
            '{"DailyCap":7,"HandCap":null,"Protected":["chief@example.com","svc-*"],"ApprovalRequired":["*"],'
            f"{EXPORT}}}"
        ),
        f"/workmail-offboarding/organizations/{ANOTHER_ID}": (
            f'{{"DailyCap":7,"HandCap":null,"Protected":[],"ApprovalRequired":[],{EXPORT}}}'
        ),
    }


def test_a_policy_can_grow_above_4_kb_and_shrink_again() -> None:
    """Systems Manager makes a parameter advanced above 4 KB, and refuses to make it standard again."""
    long = {"protected": [f"service-account-{number:04}@example.com" for number in range(150)]}
    assert max(len(value) for value in policies(synthesized(long)).values()) > 4096
    for template in (synthesized(long), synthesized({})):
        parameters = resources_of_type(template, "AWS::SSM::Parameter").values()
        assert {(p["Properties"]["Type"], p["Properties"]["Tier"]) for p in parameters} == {
            ("String", "Intelligent-Tiering")
        }


def test_a_changed_policy_changes_its_parameters_but_no_function() -> None:
    """So it applies to waiting executions, whose versions do not change."""
    default, changed = synthesized({})["Resources"], synthesized(EXECUTIVES, dailyCap=0)["Resources"]
    assert default.keys() == changed.keys()
    assert {default[name]["Type"] for name in default if default[name] != changed[name]} == {"AWS::SSM::Parameter"}
