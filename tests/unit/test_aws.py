"""The clients of the services beside WorkMail."""

import copy

import boto3
import pytest

from offboarding.adapters.aws import LazyClient


def test_a_lazy_client_is_made_when_it_is_first_used_and_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made_services: list[str] = []
    make_client = boto3.client
    monkeypatch.setattr(
        "boto3.client", lambda service, **options: made_services.append(service) or make_client(service, **options)
    )
    lazy_client = LazyClient("codecommit", attempts=3)

    assert made_services == []
    assert lazy_client.meta.config.retries["total_max_attempts"] == 3
    lazy_client.make()
    assert lazy_client.list_repositories
    assert made_services == ["codecommit"]


def test_a_lazy_client_can_be_copied_before_it_is_made() -> None:
    assert copy.deepcopy(LazyClient("codecommit", attempts=4)).meta.config.retries["total_max_attempts"] == 4
