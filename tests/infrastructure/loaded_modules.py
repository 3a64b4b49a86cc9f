"""Prints, as JSON, the modules and clients of each function at its start: ``loaded_modules.py <asset> <module> …``.

Each module is imported in a fork of a process that has imported boto3, as a cold start does.
"""

import importlib
import json
import os
import sys

import boto3

asset, *modules = sys.argv[1:]
results = {}
services: list[str] = []
make_client = boto3.session.Session.client


def note_client(session: boto3.session.Session, service: str, *args: object, **options: object) -> object:
    """Make a client, and note its service."""
    services.append(service)
    return make_client(session, service, *args, **options)


boto3.session.Session.client = note_client
for module in modules:
    reader, writer = os.pipe()
    if os.fork() == 0:
        modules_of_boto3 = set(sys.modules)
        importlib.import_module(module)
        loaded = [sys.modules[name] for name in set(sys.modules) - modules_of_boto3]
        files = [str(getattr(item, "__file__", "")) for item in loaded]
        count = sum(file.startswith(asset) or "/botocore/" in file or "/boto3/" in file for file in files)
        os.write(writer, json.dumps({"modules": count, "clients": services}).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        results[module] = json.load(answer)
    os.wait()
sys.stdout.write(json.dumps(results))
