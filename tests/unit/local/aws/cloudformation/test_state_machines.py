"""State machines of a template."""

from typing import Any


def test_the_machine_has_the_properties_of_the_template(open_environment: Any) -> None:
    aws = open_environment()
    machine = aws.client("stepfunctions").describe_state_machine(stateMachineArn=aws.state_machine_arn)
    (group,) = aws.client("logs").describe_log_groups(logGroupNamePrefix="/own/worker")["logGroups"]

    assert machine["type"] == "STANDARD"
    assert machine["tracingConfiguration"] == {"enabled": True}
    assert machine["loggingConfiguration"]["level"] == "ALL"
    (destination,) = machine["loggingConfiguration"]["destinations"]
    assert destination["cloudWatchLogsLogGroup"]["logGroupArn"].removesuffix(":*") == group["arn"].removesuffix(":*")
    (listed_machine,) = aws.client("stepfunctions").list_state_machines()["stateMachines"]
    assert listed_machine["stateMachineArn"] == aws.state_machine_arn
