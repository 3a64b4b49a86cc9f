"""What the resources of a template cost while nothing happens, and how DynamoDB counts units."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tools.costs.bills import Usage, draw_bill
from tools.costs.capacity import Write, count_read_units, count_write_units, measure_item
from tools.costs.page import PAGE, list_differences, read_table
from tools.costs.prices import load_prices
from tools.costs.template import POLLS_PER_MAPPING, UnpricedResourceError, list_idle_usage

INDEXES = [["Kind", "At"]]
ALARM = {"Period": 300, "MetricName": "Errors"}
FORMULA = {"Metrics": [{"MetricStat": {"Period": 60}}, {"MetricStat": {"Period": 60}}, {"Expression": "m1/m2"}]}
METRICS = ['{"widgets": [{"properties": {"metrics": [', '["a"],' * 50, '["', {"Ref": "A"}, '"]]}}]}']
LARGE_BODY = {"Fn::Join": ["", METRICS]}
PAGE_TEXT = PAGE.read_text(encoding="utf-8")


def usage_of(kind: str, properties: dict[str, Any]) -> list[tuple[str, float]]:
    template = {"Resources": {"Resource": {"Type": kind, "Properties": properties}}}
    return [(usage.price, usage.quantity) for usage in list_idle_usage(template)]


def test_each_enabled_queue_of_a_mapping_is_polled_all_month(all_providers: dict[str, Any]) -> None:
    mappings = [r for r in all_providers["Resources"].values() if r["Type"] == "AWS::Lambda::EventSourceMapping"]
    usage = next(usage for usage in list_idle_usage(all_providers) if usage.price == "sqs-request")

    assert POLLS_PER_MAPPING == 5 * 730 * 3600 / 20
    assert usage.quantity == (len(mappings) - 1) * POLLS_PER_MAPPING, "one of them reads a stream, which is free"


def test_a_disabled_mapping_is_not_polled(all_providers: dict[str, Any]) -> None:
    template = json.loads(json.dumps(all_providers))
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Lambda::EventSourceMapping":
            resource["Properties"]["Enabled"] = False

    assert [usage for usage in list_idle_usage(template) if usage.price == "sqs-request"] == []


@pytest.mark.parametrize(
    ("kind", "properties", "expected"),
    [
        ("AWS::CloudWatch::Alarm", ALARM, ("alarm", 1)),
        ("AWS::CloudWatch::Alarm", FORMULA, ("alarm", 2)),
        ("AWS::CloudWatch::Alarm", {**ALARM, "Period": 10}, ("alarm-high-resolution", 1)),
        ("AWS::CloudWatch::CompositeAlarm", {}, ("alarm-composite", 1)),
        ("AWS::CloudWatch::Dashboard", {"DashboardBody": '{"widgets": []}'}, ("dashboard", 1)),
        ("AWS::CloudWatch::Dashboard", {"DashboardBody": LARGE_BODY}, ("dashboard-large", 1)),
        ("AWS::SSM::Parameter", {"Tier": "Intelligent-Tiering", "Value": "a" * 4097}, ("parameter-advanced", 1)),
        ("AWS::KMS::Key", {}, ("kms-key", 1)),
        ("AWS::Scheduler::Schedule", {"ScheduleExpression": "rate(1 day)"}, ("scheduler-invocation", 730 / 24)),
    ],
)
def test_a_resource_is_counted_as_aws_prices_it(
    kind: str, properties: dict[str, Any], expected: tuple[str, float]
) -> None:
    assert usage_of(kind, properties) == [expected]


def test_a_parameter_of_the_standard_tier_is_free() -> None:
    assert usage_of("AWS::SSM::Parameter", {"Tier": "Intelligent-Tiering", "Value": "a" * 4096}) == []


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        ("AWS::EC2::Instance", {}),
        ("AWS::CloudWatch::Alarm", {"Metrics": [{"Expression": "SELECT MAX(Errors) FROM Functions"}]}),
        ("AWS::Scheduler::Schedule", {"ScheduleExpression": "cron(0 12 * * ? *)"}),
        ("AWS::DynamoDB::Table", {"BillingMode": "PROVISIONED"}),
    ],
)
def test_a_resource_of_unknown_price_is_refused(kind: str, properties: dict[str, Any]) -> None:
    with pytest.raises(UnpricedResourceError, match=r"Resource|fires"):
        usage_of(kind, properties)


def test_what_is_free_is_given_once_to_all_that_use_it() -> None:
    bill = draw_bill([Usage("a", "sqs-request", 700_000), Usage("b", "sqs-request", 700_000)])

    assert [round(line.charged_usd, 6) for line in bill.lines] == [0, 0.16]
    assert round(bill.list_usd, 6) == 0.56


def test_each_price_names_its_source_and_how_far_it_was_verified() -> None:
    price_list = load_prices()

    assert len(price_list.prices) > 20
    for price in price_list.prices.values():
        assert price.source.startswith("https://"), price.key
        assert price.basis in price_list.basis, price.key
        assert not price.always_free or (price.free_source and price.free_basis in price_list.basis), price.key


def test_an_item_is_as_large_as_dynamodb_counts_it() -> None:
    item = {"Id": {"S": "é"}, "Number": {"N": "-12.5"}, "Map": {"M": {"a": {"L": [{"BOOL": True}]}}}}

    assert measure_item(item) == (2 + 2) + (6 + 3) + (3 + 3 + 1 + 1 + 3 + 1 + 1)


def test_a_write_counts_each_kilobyte_in_the_table_and_in_each_index_that_changes() -> None:
    small = {"Id": {"S": "i"}, "Kind": {"S": "Step"}, "At": {"S": "1"}}
    large = {**small, "Text": {"S": "a" * 1024}}
    moved = {**small, "At": {"S": "2"}}

    def units(old: Any, new: Any, *, in_transaction: bool = False) -> int:
        return count_write_units(Write(old, new), INDEXES, in_transaction=in_transaction)

    assert units(None, {"Id": {"S": "i"}}) == 1, "it is not in the index"
    assert units(None, small) == 1 + 1
    assert units(small, large) == 2 + 2
    assert units(small, moved) == 1 + 2, "an index removes the former entry and adds another"
    assert units(small, small) == 1, "a write that changes nothing, or only a check"
    assert units(None, small, in_transaction=True) == 2 * (1 + 1)


def test_a_read_counts_each_four_kilobytes_and_half_if_it_is_not_consistent() -> None:
    item = {"Id": {"S": "a" * 4096}}

    assert count_read_units([item], is_consistent=True) == 2
    assert count_read_units([item], is_consistent=False) == 1
    assert count_read_units([], is_consistent=True) == 1


@pytest.mark.parametrize(
    ("former", "computed", "is_same"),
    [
        ("| a | 11 | 0.258 |", "| a | 11 | 0.258 |", True),
        ("| a | 11 | 0.258 |", "| a | 11 | 0.260 |", True),
        ("| a | 11 | 0.258 |", "| a | 11 | 0.280 |", False),
        ("| a | 11 | 0.258 |", "| a | 12 | 0.258 |", False),
        ("| a | 11 | 0.258 |", "| b | 11 | 0.258 |", False),
        ("| a |", "| a |\n| b |", False),
    ],
)
def test_only_measured_numbers_may_differ_a_little(former: str, computed: str, *, is_same: bool) -> None:
    assert (list_differences(former, computed) == []) == is_same


def read_figures(row: str) -> list[float]:
    """Return the figures of a row of the summary, which tests/workflow/test_costs.py holds to the computation."""
    [line] = [line for line in read_table(PAGE_TEXT, "summary").splitlines() if row in line.replace("*", "")]
    return [float(figure) for figure in re.findall(r"\d+\.\d+", line)]


@pytest.mark.parametrize("stack", ["default settings", "with all identity providers"])
def test_an_idle_stack_costs_less_than_a_dollar_a_month_after_what_is_always_free(stack: str) -> None:
    free, by_list = read_figures(f"an idle stack, a month, {stack}")

    assert 0 < free < 1
    assert free <= by_list, "the list has the dashboard and the first ten alarms too, which are always free"


def test_an_idle_stack_with_exports_costs_a_dollar_for_its_key_and_less_than_another_one() -> None:
    assert 1 < read_figures("an idle stack, a month, with exports")[0] < 2


def test_a_thousand_offboardings_cost_less_than_a_dollar() -> None:
    in_the_same_hours = read_figures("1,000 offboardings, in the same hours")
    spread_over_a_month = read_figures("1,000 offboardings, spread over a month")

    assert 0 < max(in_the_same_hours) < 1
    assert 0 < spread_over_a_month[0] < 1, "after what is always free; by the list it is more, because of the metrics"


def test_the_readme_links_to_the_page() -> None:
    assert "(docs/cost.md)" in (Path(__file__).parents[2] / "README.md").read_text()
