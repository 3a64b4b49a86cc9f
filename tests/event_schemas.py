"""The published schemas of the events in `docs/events/`."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

EVENTS = Path(__file__).parents[1] / "docs" / "events"


def schema_path(detail_type: str) -> Path:
    return EVENTS / f"{detail_type.lower().replace(' ', '-')}.json"


@cache
def validator_of(detail_type: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(
        json.loads(schema_path(detail_type).read_text()), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )


def iterate_violations(parameters: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the events of a call of PutEvents."""
    for entry in parameters["Entries"]:
        if entry["Source"] != "workmail.offboarding":
            continue
        if not schema_path(entry["DetailType"]).exists():
            yield f"{entry['DetailType']} has no schema"
            continue
        for error in validator_of(entry["DetailType"]).iter_errors(json.loads(entry["Detail"])):
            yield f"{entry['DetailType']}: {error.message}"
