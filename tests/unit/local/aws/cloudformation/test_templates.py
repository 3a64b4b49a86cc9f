"""Templates are read as moto reads them, and each stack has its own."""

import inspect
import json
import re
from typing import Any, ClassVar

import pytest
from moto.cloudformation import parsing
from moto.cloudformation.models import Stack

from local.aws.cloudformation import templates
from local.hooks import Hooks

RESOURCES = {
    "Name": "name",
    "Nothing": None,
    "Map": {"us-east-1": {"size": 1}},
    "AWS::Region": "us-east-1",
}
VALUES: list[Any] = [
    "text",
    1,
    1.5,
    True,
    None,
    [],
    {},
    ["text", None, {"Ref": "Name"}, [{"Ref": "Name"}]],
    {"kept": {"Ref": "Name"}, "left out": {"Ref": "Nothing"}, "list": [{"Ref": "Nothing"}], "null": None},
    {"other": 1, "Ref": "Name"},
    {"Fn::Base64": {"Ref": "Name"}},
    {"Fn::FindInMap": ["Map", {"Ref": "AWS::Region"}, "size"]},
    {"Fn::GetAZs": ""},
    {"Fn::If": ["Yes", {"deep": {"Ref": "Name"}}, "no"]},
    {"Fn::Join": ["/", ["a", {"Ref": "Name"}, 1]]},
    {"Fn::Select": ["1", ["a", {"Ref": "Name"}]]},
    {"Fn::Split": ["a", {"Ref": "Name"}]},
    {"Fn::Sub": "${Name}-${AWS::Region}-${!Literal}"},
    {"Fn::Sub": ["${Name}-${Other}", {"Other": {"Ref": "Name"}}]},
    {"Fn::ToJsonString": {"a": {"Ref": "Name"}}},
]


class Resources(dict[str, Any]):
    lazy_condition_map: ClassVar = {"Yes": True}


@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_evaluated_as_by_moto(value: Any) -> None:
    expected, text = parsing.clean_json(value, Resources(RESOURCES)), json.dumps(value)
    with Hooks() as hooks:
        templates.install(hooks)
        assert parsing.clean_json(value, Resources(RESOURCES)) == expected
    assert json.dumps(value) == text


def test_every_function_that_moto_evaluates_is_left_to_it() -> None:
    text = inspect.getsource(parsing.clean_json)
    assert set(re.findall(r'"(Ref|Fn::\w+)" in resource_json', text)) == templates._FUNCTIONS


def test_an_evaluated_value_shares_nothing_that_can_change_with_the_template() -> None:
    template = {"list": [{"a": []}], "members": {"b": {}}}
    with Hooks() as hooks:
        templates.install(hooks)
        value = parsing.clean_json(template, Resources())
    value["list"][0]["a"].append(1)
    value["list"].append(2)
    value["members"]["b"]["c"] = 3

    assert template == {"list": [{"a": []}], "members": {"b": {}}}


def test_each_stack_has_its_own_template() -> None:
    text = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}, "Numbers": [1, 1.5, True, None, "é"]})
    with Hooks() as hooks:
        templates.install(hooks)
        former, latter = (Stack.parse_template(text) for _ in range(2))
        former["Resources"]["Topic"]["Properties"] = {}

        assert latter == Stack.parse_template(text) == json.loads(text)
        assert Stack.parse_template("Resources:\n  Topic:\n    Type: T\n") == {"Resources": {"Topic": {"Type": "T"}}}
