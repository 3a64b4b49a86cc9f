"""An account with a table of records, without a stack."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from click.testing import CliRunner, Result
from moto import mock_aws

from operate.account import Account, Stack
from operate.command import offboarding

TABLE = "records"
INDEXES = {
    "ByStatus": ("StatusKey", "DueAt"),
    "ByTime": ("Kind", "At"),
    "ByOrganization": ("OrganizationId", "At"),
    "ByEntity": ("EntityKey", "At"),
}
"""The indexes of the table, with their keys."""

RunCommand = Callable[..., Result]


_clients: dict[tuple[str, str], Any] = {}


@pytest.fixture(autouse=True)
def clients_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make each client once: that takes longer than a test."""

    def client(account: Account, service: str) -> Any:
        key = (service, account.region)
        if key not in _clients:
            _clients[key] = make_client(account, service)
        return _clients[key]

    make_client = Account.client
    monkeypatch.setattr(Account, "client", client)


@pytest.fixture(scope="module")
def aws() -> Iterator[None]:
    """An account in memory."""
    with mock_aws():
        yield


@pytest.fixture
def table(aws: None) -> Iterator[Any]:
    """Create a table of records, and return a client."""
    client = Account(region="us-east-1").client("dynamodb")
    create_table(client, TABLE)
    yield client
    for name in client.list_tables()["TableNames"]:
        client.delete_table(TableName=name)


def create_table(client: Any, name: str) -> None:
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "Id", "KeyType": "HASH"}, {"AttributeName": "Part", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": key, "AttributeType": "S"}
            for key in sorted({"Id", "Part", *(key for keys in INDEXES.values() for key in keys)})
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": index,
                "KeySchema": [
                    {"AttributeName": partition, "KeyType": "HASH"},
                    {"AttributeName": sort, "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
            for index, (partition, sort) in INDEXES.items()
        ],
    )


def put_item(client: Any, **members: Any) -> None:
    """Write an item of plain values into the table of records."""
    item = {name: TypeSerializer().serialize(value) for name, value in members.items()}
    client.put_item(TableName=TABLE, Item=item)


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Stack:
    """Have a stack with the table, and with nothing else."""
    deployed = Stack("workmail-offboarding", "arn:stack", "CREATE_COMPLETE", True, {"RecordsTableName": TABLE})
    monkeypatch.setattr(Account, "find_stack", lambda *_: deployed)
    return deployed


@pytest.fixture
def run() -> RunCommand:
    """Return a function that runs the command `offboarding` with arguments."""
    return lambda *arguments, **more: CliRunner().invoke(offboarding, [*map(str, arguments)], **more)
