"""Clients and service descriptions that are made once per process: speed only."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

import boto3
import botocore.loaders
import botocore.session
from botocore.config import Config

from local.aws.functions.process_state import hold_functions
from local.hooks import Hooks

_clients_by_key: dict[tuple[str, str, str], Any] = {}


@lru_cache(maxsize=1)
def shared_session() -> boto3.Session:
    """Return the session of all environments, which shares the service descriptions: reading them takes long."""
    session = botocore.session.get_session()
    session.register_component("data_loader", _make_service_loader())
    # One boto3 session for the botocore session: each adds its methods to the clients, which must happen only once.
    return boto3.Session(botocore_session=session)


def share_clients(hooks: Hooks) -> None:
    """Make each boto3 client once per service, Region and configuration, for as long as the hooks are in place.

    Each function's code makes its clients when it is loaded, which is most of a cold start here. On Lambda each
    function has a separate process. moto answers all clients, whenever they were made.
    """
    make = boto3.client

    def client(service_name: str, region_name: str | None = None, *, config: Config | None = None, **more: Any) -> Any:
        if more:
            with hold_functions():
                return make(service_name, region_name, config=config, **more)
        options = repr(sorted(config._user_provided_options.items())) if config else ""
        key = (service_name, region_name or os.environ["AWS_DEFAULT_REGION"], options)
        with hold_functions():
            if key not in _clients_by_key:
                _clients_by_key[key] = shared_session().client(service_name, region_name, config=config)
            return _clients_by_key[key]

    hooks.replace(boto3, "client", client)


@lru_cache(maxsize=1)
def _make_service_loader() -> botocore.loaders.Loader:
    return botocore.loaders.create_loader()
