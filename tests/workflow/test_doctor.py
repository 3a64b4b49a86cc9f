"""What `offboarding doctor` says of a stack on the embedded AWS, before and after its deployment."""

import json
from collections.abc import Callable

from local.defaults import ORGANIZATION_ID
from tests.workflow.operator import Operator


def list_problems(operator: Operator) -> list[tuple[str, str]]:
    findings = json.loads(operator.run("doctor", "--json").stdout)
    return [(finding["Check"], finding["Result"]) for finding in findings if finding["Result"] != "ok"]


def create_trail(operator: Operator) -> None:
    client = operator.flow.environment.client
    client("s3").create_bucket(Bucket="trails")
    client("cloudtrail").create_trail(Name="audit", S3BucketName="trails", IsMultiRegionTrail=True)
    # AWS gives a new trail this selector; moto does not.
    selector = {"ReadWriteType": "All", "IncludeManagementEvents": True}
    client("cloudtrail").put_event_selectors(TrailName="audit", EventSelectors=[selector])
    client("cloudtrail").start_logging(Name="audit")


def test_a_stack_with_a_trail_is_right_until_something_is_changed(operator: Operator) -> None:
    client, outputs = operator.flow.environment.client, operator.flow.environment.outputs
    assert list_problems(operator) == [("CloudTrail", "wrong")]
    create_trail(operator)

    result = operator.run("doctor")
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"The stack serves {ORGANIZATION_ID} (example-corp)." in result.stdout

    client("lambda").update_event_source_mapping(UUID=outputs["EventSourceMappingId"], Enabled=False)
    client("sqs").send_message(QueueUrl=outputs["EventDeadLetterQueueUrl"], MessageBody="{}")
    client("ssm").put_parameter(
        Name=f"/workmail-offboarding/organizations/m-{'9' * 32}", Value="{}", Type="String", Overwrite=True
    )
    assert list_problems(operator) == [
        ("served organizations", "wrong"),
        ("event source mappings", "wrong"),
        ("dead letters", "wrong"),
    ]


def test_before_the_deployment_the_ids_for_the_settings_are_named(
    make_operator: Callable[..., Operator],
) -> None:
    operator = make_operator(stack=None)

    result = operator.run("doctor")

    assert result.exit_code == 1
    assert f"{ORGANIZATION_ID} (example-corp) is active in us-east-1: this id can go into cdk.json." in result.stdout
    assert "There is no stack workmail-offboarding in us-east-1 yet." in result.stdout
    assert result.stdout.endswith("5 ok, 2 wrong, 0 unknown\n")
