"""The runtime of deployed packages: what a handler sees, and what its caller gets."""

import base64
import json
import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable
from datetime import timedelta
from types import ModuleType
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local.aws.functions.runtime import Runtime
from local.aws.functions.snapshot import ModuleState, Snapshot, SnapshotPool
from local.aws.quotas import Quotas, QuotaSettings
from local.clock import Clock
from local.hooks import Hooks
from tests.unit.local.conftest import NOON, Functions, StepFunctions

ECHO = "def handler(event, context): return event"


def test_the_packaged_handler_is_run(functions: Functions) -> None:
    functions.create("def handler(event, context): return {'got': event, 'plus': event['n'] + 1}")

    assert functions.invoke({"n": 1}) == {"got": {"n": 1}, "plus": 2}


def test_modules_are_loaded_once_and_kept_for_the_next_invocation(functions: Functions) -> None:
    functions.create("""
        count = 0
        def handler(event, context):
            global count
            count += 1
            return count
    """)

    assert [functions.invoke(), functions.invoke()] == [1, 2]


def test_a_changed_configuration_is_a_new_execution_environment(functions: Functions) -> None:
    functions.create(
        "import os\nSTAGE = os.environ['STAGE']\ndef handler(e, c): return STAGE", variables={"STAGE": "a"}
    )
    answer_before = functions.invoke()
    functions.client.update_function_configuration(FunctionName="function", Environment={"Variables": {"STAGE": "b"}})

    assert (answer_before, functions.invoke()) == ("a", "b")


def test_versions_with_different_code_and_variables_coexist(functions: Functions) -> None:
    code = {
        "app.py": "import os, shared\ndef handler(event, context): return [shared.NAME, os.environ['STAGE']]",
        "shared.py": "NAME = 'one'",
    }
    functions.create(code, variables={"STAGE": "first"})
    functions.client.publish_version(FunctionName="function")
    functions.client.update_function_configuration(
        FunctionName="function", Environment={"Variables": {"STAGE": "second"}}
    )
    functions.update("import os\ndef handler(event, context): return ['two', os.environ['STAGE']]")
    functions.client.publish_version(FunctionName="function")
    functions.client.update_function_configuration(
        FunctionName="function", Environment={"Variables": {"STAGE": "third"}}
    )

    for _ in range(2):
        assert functions.invoke(Qualifier="1") == ["one", "first"]
        assert functions.invoke(Qualifier="2") == ["two", "second"]
        assert functions.invoke(Qualifier="$LATEST") == ["two", "third"]
        assert functions.invoke() == ["two", "third"]
        assert functions.invoke(name="arn:aws:lambda:us-east-1:123456789012:function:function:1") == ["one", "first"]


@pytest.mark.parametrize("missing", [{"name": "nobody"}, {"Qualifier": "7"}, {"name": "function:7"}])
def test_a_missing_function_or_version_is_not_found(functions: Functions, missing: dict[str, str]) -> None:
    functions.create(ECHO)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        functions.invoke(**missing)


def test_a_member_of_the_payload_is_not_a_qualifier(functions: Functions) -> None:
    functions.create(ECHO)

    assert functions.invoke({"qualifier": "7"}) == {"qualifier": "7"}


def test_two_functions_with_the_same_code_share_no_module(functions: Functions) -> None:
    code = {"app.py": "import state\ndef handler(event, context): state.SEEN.append(event); return state.SEEN",
            "state.py": "SEEN = []"}  # fmt: skip
    functions.create(code, "a")
    functions.create(code, "b")

    assert functions.invoke(1, "a") == [1]
    assert functions.invoke(2, "b") == [2]


STATE = {
    "a name": "count = 0\ndef add():\n    global count\n    count += 1\n    return count",
    "a list": "seen = []\ndef add():\n    seen.append(1)\n    return len(seen)",
    "a dictionary": "seen = {'n': 0}\ndef add():\n    seen['n'] += 1\n    return seen['n']",
    "a set": "seen = set()\ndef add():\n    seen.add(len(seen))\n    return len(seen)",
    "a queue": "import collections\nseen = collections.deque()\ndef add():\n    seen.append(1)\n    return len(seen)",
    "what is inside": "seen = [({'n': [0]},)]\ndef add():\n    seen[0][0]['n'][0] += 1\n    return seen[0][0]['n'][0]",
    "a class": "class A:\n    n = 0\ndef add():\n    A.n += 1\n    return A.n",
    "what a class gained": "class A: pass\ndef add():\n    A.n = getattr(A, 'n', 0) + 1\n    return A.n",
    "what a class holds": "class A:\n    seen = []\ndef add():\n    A.seen.append(1)\n    return len(A.seen)",
    "an object": "class A:\n    n = 0\na = A()\ndef add():\n    a.n += 1\n    return a.n",
    "an object with slots": (
        "class A:\n    __slots__ = ('n',)\na = A()\ndef add():\n    a.n = getattr(a, 'n', 0) + 1\n    return a.n"
    ),
    "an object with slots that are full": (
        "class A:\n    __slots__ = ('n',)\na = A()\na.n = 0\ndef add():\n    a.n += 1\n    return a.n"
    ),
    "a bound method": (
        "class A:\n    n = 0\n    def add(self):\n        self.n += 1\n        return self.n\nadd = A().add"
    ),
    "what a function encloses": (
        "def make():\n    n = 0\n    def add():\n        nonlocal n\n        n += 1\n        return n\n"
        "    return add\nadd = make()"
    ),
    "a default": "def add(seen=[]):\n    seen.append(1)\n    return len(seen)",
    "a function": "def add():\n    add.n = getattr(add, 'n', 0) + 1\n    return add.n",
    "a cache": (
        "import functools, itertools\nclass A:\n    n = 0\n@functools.lru_cache\ndef make(): return A()\n"
        "def add():\n    make().n += 1\n    return make().n"
    ),
    "weak references": (
        "import weakref\nclass A: pass\nall = [A(), A()]\nseen = weakref.WeakSet(all)\n"
        "def add():\n    seen.discard(next(iter(seen)))\n    return len(all) - len(seen)"
    ),
    "logging": (
        "import logging\ndef add():\n    root = logging.getLogger()\n    root.addHandler(logging.NullHandler())\n"
        "    return len(root.handlers)"
    ),
    "a module that is loaded late": (
        "def add():\n    import late\n    late.seen.append(1)\n    return len(late.seen)"
    ),
}  # fmt: skip


class TestSnapshots:
    """What a later runtime of this process finds."""

    @staticmethod
    def invoked_twice(functions: Functions, clock: Any) -> list[Any]:
        with Hooks() as hooks:
            Runtime(clock).install(hooks)
            return [functions.invoke(), functions.invoke()]

    @pytest.mark.parametrize("state", STATE.values(), ids=STATE.keys())
    def test_a_later_runtime_starts_from_the_state_after_the_initialization(
        self, functions: Functions, clock: Any, state: str
    ) -> None:
        app = "import uuid, library\nID = uuid.uuid4().hex\ndef handler(event, context): return [library.add(), ID]"
        functions.create({"app.py": app, "library.py": state, "late.py": "seen = []"})
        runs = [self.invoked_twice(functions, clock) for _ in range(3)]

        assert [[count for count, _ in run] for run in runs] == [[1, 2]] * 3
        assert len({initialized for run in runs for _, initialized in run}) == 1

    def test_an_initialization_that_prints_is_run_again(self, functions: Functions, clock: Any) -> None:
        functions.create(
            "import uuid\nprint('at import')\nID = uuid.uuid4().hex\ndef handler(event, context): return ID"
        )
        first_result, second_result = (self.invoked_twice(functions, clock) for _ in range(2))

        assert (len(set(first_result)), len(set(second_result))) == (1, 1)
        assert first_result != second_result

    def test_a_snapshot_in_use_is_not_shared(self, functions: Functions, clock: Any) -> None:
        functions.create("seen = []\ndef handler(event, context):\n    seen.append(1)\n    return len(seen)")
        self.invoked_twice(functions, clock)
        with Hooks() as hooks:
            outer = Runtime(clock)
            outer.install(hooks)
            answer_before = functions.invoke()
            inner = self.invoked_twice(functions, clock)

            assert (answer_before, inner, functions.invoke()) == (1, [1, 2], 2)

    def test_different_variables_have_different_snapshots(self, functions: Functions, clock: Any) -> None:
        code = "import os\nSTAGE = os.environ['STAGE']\ndef handler(event, context): return STAGE"
        functions.create(code, variables={"STAGE": "a"})
        answers_before = self.invoked_twice(functions, clock)
        functions.client.update_function_configuration(
            FunctionName="function", Environment={"Variables": {"STAGE": "b"}}
        )

        assert (answers_before, self.invoked_twice(functions, clock)) == (["a", "a"], ["b", "b"])

    def test_the_pool_has_a_maximum_size(self) -> None:
        snapshots = SnapshotPool(max_size=2)
        snapshots_by_name = {name: Snapshot(print, ModuleState({})) for name in "abc"}
        for name, snapshot in snapshots_by_name.items():
            snapshots.put(name, snapshot)

        assert snapshots.take("a") is None
        assert snapshots.take("b") is snapshots_by_name["b"]
        assert snapshots.take("b") is None
        assert snapshots.take("c") is snapshots_by_name["c"]

    def test_objects_of_other_modules_are_not_restored(self, monkeypatch: pytest.MonkeyPatch) -> None:
        own_module, other_module = ModuleType("own"), ModuleType("other")
        own_module.of_other = other_module.seen = []
        own_module.seen = []
        monkeypatch.setitem(sys.modules, "other", other_module)
        state = ModuleState({"own": own_module})
        own_module.seen.append(1)
        other_module.seen.append(1)
        state.restore()

        assert (own_module.seen, other_module.seen) == ([], [1])


def test_the_libraries_of_a_package_are_separate_from_those_of_this_process(functions: Functions) -> None:
    import jmespath

    functions.create({
        "app.py": "import jmespath\ndef handler(event, context): return [jmespath.__version__, jmespath.__file__]",
        "jmespath/__init__.py": "__version__ = 'vendored'",
    })  # fmt: skip
    version, path = functions.invoke()

    assert version == "vendored"
    assert path != jmespath.__file__
    assert sys.modules["jmespath"] is jmespath
    assert jmespath.search("a", {"a": 1}) == 1


def test_only_packages_that_lambda_has_can_be_imported(functions: Functions) -> None:
    functions.create("""
        import boto3, botocore.exceptions, json, dataclasses
        def handler(event, context):
            try:
                __import__(event)
            except ImportError as error:
                return str(error)
    """)

    assert functions.invoke("pytest") == "No module named 'pytest'"
    assert functions.invoke("moto") == "No module named 'moto'"
    assert functions.invoke("urllib3") is None


def test_boto3_calls_of_a_handler_reach_moto(functions: Functions) -> None:
    functions.create("""
        import boto3
        sqs = boto3.client("sqs")
        def handler(event, context):
            return sqs.create_queue(QueueName="from-lambda")["QueueUrl"]
    """)

    assert functions.invoke() in boto3.client("sqs", "us-east-1").list_queues()["QueueUrls"]


def test_the_environment_variables_are_those_of_the_function_only(
    functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THIS_MACHINE", "secret")
    environment_before = dict(os.environ)
    functions.create(
        "import os\nat_import = dict(os.environ)\ndef handler(event, context): return [at_import, dict(os.environ)]",
        variables={"STAGE": "test"},
        MemorySize=256,
    )
    at_import, at_call = functions.invoke()

    assert at_import == at_call
    assert "OF_THIS_MACHINE" not in at_call
    assert (
        at_call.items()
        >= {
            "STAGE": "test",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_LAMBDA_FUNCTION_NAME": "function",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/function",
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "LAMBDA_TASK_ROOT": "/var/task",
            "_HANDLER": "app.handler",
            "TZ": ":UTC",
        }.items()
    )
    assert dict(os.environ) == environment_before


def test_a_handler_s_local_time_is_utc(functions: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        functions.create("import datetime\ndef handler(event, context): return datetime.datetime.now().isoformat()")
        assert functions.invoke() == "2026-11-22T12:00:00"
        assert time.localtime().tm_hour == 7
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_context_of_an_invocation(functions: Functions) -> None:
    functions.create("""
        def handler(event, context):
            names = ("function_name", "function_version", "invoked_function_arn", "memory_limit_in_mb",
                     "aws_request_id", "log_group_name", "log_stream_name", "client_context", "identity")
            return {**{name: getattr(context, name) for name in names}, "left": context.get_remaining_time_in_millis()}
    """, Timeout=30, MemorySize=256)  # fmt: skip
    functions.client.publish_version(FunctionName="function")
    context = functions.invoke(Qualifier="1")

    assert context.pop("aws_request_id") != functions.invoke()["aws_request_id"]
    assert context.pop("log_stream_name").startswith("2026/11/22/[1]")
    assert context == {
        "function_name": "function",
        "function_version": "1",
        "invoked_function_arn": "arn:aws:lambda:us-east-1:123456789012:function:function:1",
        "memory_limit_in_mb": "256",
        "log_group_name": "/aws/lambda/function",
        "client_context": None,
        "identity": None,
        "left": 30000,
    }


def test_an_exception_is_returned_with_its_name(functions: Functions) -> None:
    functions.create("""
        class EntityNotFound(Exception):
            '''Not there.'''
        def handler(event, context):
            raise EntityNotFound('No entity "dana"')
    """)
    error = functions.error()

    assert (error["errorType"], error["errorMessage"]) == ("EntityNotFound", 'No entity "dana"')
    assert len(error["requestId"]) == 36
    assert len(error["stackTrace"]) == 1
    assert 'File "/var/task/app.py", line 5, in handler' in error["stackTrace"][0]
    assert functions.runtime.logs("function")[0] == '[ERROR] EntityNotFound: No entity "dana"'


@pytest.mark.parametrize(
    ("code", "error_type", "message"),
    [
        ("import nowhere", "Runtime.ImportModuleError", "Unable to import module 'app': No module named 'nowhere'"),
        ("def handler(:", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app'"),
        ("def other(e, c): pass", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("raise ValueError('at import')", "ValueError", "at import"),
        ("def handler(e, c): return {1, 2}", "Runtime.MarshalError", "Object of type set is not JSON serializable"),
        ("def handler(e, c): return float('nan')", "Runtime.MarshalError", "Unable to marshal response"),
        ("import datetime\ndef handler(e, c): return datetime.datetime.now()", "Runtime.MarshalError", "datetime"),
        ("import sys\ndef handler(e, c): sys.exit(3)", "Runtime.ExitError", "exit status 3"),
    ],
)
def test_errors_outside_the_handler_are_those_of_lambda(
    functions: Functions, code: str, error_type: str, message: str
) -> None:
    functions.create(code)
    error = functions.error()

    assert error["errorType"] == error_type
    assert message in error["errorMessage"]


def test_a_failure_does_not_change_the_process(functions: Functions) -> None:
    process_before = (
        dict(os.environ),
        list(sys.path),
        sys.stdout,
        sys.stderr,
        __import__,
        logging,
        sys.modules["logging"],
    )
    filters, module_of_a_test = list(warnings.filters), sys.modules.get("app")
    functions.create("import logging\nraise ValueError('no')")
    functions.error()
    after = (dict(os.environ), list(sys.path), sys.stdout, sys.stderr, __import__, logging, sys.modules["logging"])

    assert after == process_before
    assert list(warnings.filters) == filters
    assert sys.modules.get("app") is module_of_a_test


def test_catch_and_retry_see_the_error_s_name(functions: Functions, aws: StepFunctions) -> None:
    functions.create("""
        class WorkMailUnavailable(Exception):
            '''Try again.'''
        class EntityNotFound(Exception):
            '''Do not.'''
        def handler(event, context):
            raise WorkMailUnavailable("later") if event["Attempt"] < 2 else EntityNotFound("no such")
    """)
    run = aws.start({
        "Ask": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Arguments": {"FunctionName": "function",
                          "Payload": {"Attempt": "{% $states.context.State.RetryCount %}"}},
            "Retry": [{"ErrorEquals": ["WorkMailUnavailable"], "IntervalSeconds": 5, "BackoffRate": 2}],
            "Catch": [{"ErrorEquals": ["EntityNotFound"], "Next": "Told",
                       "Output": "{% $parse($states.errorOutput.Cause).errorMessage %}"}],
            "End": True,
        },
        "Told": {"Type": "Succeed"},
    })  # fmt: skip

    assert run.output == "no such"
    assert run.times("TaskScheduled") == [timedelta(seconds=s) for s in (0, 5, 15)]


class TestTimeOut:
    SEND = """
        import boto3, time
        sqs = boto3.client("sqs")
        runs = 0
        def send(text):
            sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName="sent")["QueueUrl"], MessageBody=text)
    """

    @pytest.fixture
    def sent(self, functions: Functions) -> Callable[[], list[str]]:
        """Return a function that returns what was sent to the queue."""
        sqs = boto3.client("sqs", "us-east-1")
        url = sqs.create_queue(QueueName="sent")["QueueUrl"]

        def receive() -> list[str]:
            return [m["Body"] for m in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])]

        return receive

    def test_an_invocation_ends_at_its_time_out_with_no_later_effect(
        self, functions: Functions, clock: Clock, sent: Callable[[], list[str]]
    ) -> None:
        functions.create(
            f"{self.SEND}"
            """
        def handler(event, context):
            global runs
            runs += 1
            if event == "again":
                return runs
            send("early")
            try:
                time.sleep(30)
                print("in time", context.get_remaining_time_in_millis())
                time.sleep(event)
                print("late")
                send("late")
            except Exception:
                send("handled")
            finally:
                print("clean-up")
                send("clean-up")
            """,
            Timeout=30,
        )

        error = functions.error(0.001)

        text = f"RequestId: {error['requestId']} Error: Task timed out after 30.00 seconds"
        assert (error["errorType"], error["errorMessage"]) == ("Sandbox.Timedout", text)
        assert functions.runtime.logs("function") == ["in time 0", f"[ERROR] Sandbox.Timedout: {text}"]
        assert clock.now() - NOON == timedelta(seconds=30)
        assert sent() == ["early"]
        assert functions.invoke("again") == 1
        assert functions.invoke("again") == 2

    def test_code_that_handles_every_error_has_no_later_effect(
        self, functions: Functions, clock: Clock, sent: Callable[[], list[str]]
    ) -> None:
        functions.create(
            f"{self.SEND}"
            """
        def handler(event, context):
            for second in range(100):
                try:
                    time.sleep(2)
                    send(str(second))
                except BaseException:
                    print("handled")
            if event:
                raise ValueError
            return "answered"
            """,
            Timeout=5,
        )

        assert [functions.error(event)["errorType"] for event in (0, 1)] == ["Sandbox.Timedout"] * 2
        assert clock.now() - NOON == timedelta(seconds=10)
        assert sent() == ["0", "1", "0", "1"]
        assert not [line for line in functions.runtime.logs("function") if "handled" in line]

    def test_an_execution_sees_the_time_out_at_its_time(self, functions: Functions, aws: StepFunctions) -> None:
        functions.create("import time\ndef handler(e, c): time.sleep(e)", Timeout=30)
        catch = {"ErrorEquals": ["Sandbox.Timedout"], "Next": "Late"}
        retry = {"ErrorEquals": ["Sandbox.Timedout"], "MaxAttempts": 1, "IntervalSeconds": 10}
        run = aws.start({
            "Call": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True, "Retry": [retry],
                     "Arguments": {"FunctionName": "function", "Payload": 7200}, "Catch": [catch]},
            "Late": {"Type": "Pass", "Output": "late", "End": True},
        })  # fmt: skip

        assert run.output == "late"
        assert run.times("TaskFailed") == [timedelta(seconds=30), timedelta(seconds=70)]

    def test_another_invocation_in_the_same_environment_goes_on(self, functions: Functions, clock: Clock) -> None:
        functions.create(
            """
            import time
            runs = 0
            def handler(event, context):
                global runs
                runs += 1
                time.sleep(event)
                return runs
            """,
            Timeout=30,
        )
        answers: list[Any] = []
        clock.start_thread("long", lambda: answers.append(functions.error(31)["errorType"]))
        clock.start_thread("short", lambda: (clock.sleep(timedelta(seconds=5)), answers.append(functions.invoke(28))))
        clock.settle()

        assert answers == ["Sandbox.Timedout", 2]
        assert functions.invoke(0) == 1

    def test_an_invocation_outlives_the_one_that_waits_for_it(self, functions: Functions, clock: Clock) -> None:
        functions.create(
            "import time\ndef handler(e, c): time.sleep(20); print('ended'); return 'inner'", "inner", Timeout=30
        )
        functions.create(
            "import boto3\ndef handler(e, c): boto3.client('lambda').invoke(FunctionName='inner')", "outer", Timeout=10
        )

        answers: list[Any] = []
        clock.start_thread("caller", lambda: answers.extend([functions.error(name="outer")["errorType"], clock.now()]))
        clock.settle()

        assert answers == ["Sandbox.Timedout", NOON + timedelta(seconds=10)]
        assert functions.runtime.logs("inner") == ["ended"]
        assert clock.now() - NOON == timedelta(seconds=20)

    def test_only_a_function_sleeps_on_the_clock(self, functions: Functions, clock: Clock) -> None:
        started_at = time.monotonic()
        time.sleep(0.01)

        assert time.monotonic() - started_at >= 0.01
        assert clock.now() == NOON


def test_an_invocation_that_waits_lets_others_run(functions: Functions, clock: Any) -> None:
    """Both wait for the same instant; with the lock held, the second could not even begin."""
    code = """
        import os, boto3
        def handler(event, context):
            boto3.client("sts").get_caller_identity()
            return os.environ["NAME"]
    """
    functions.create(code, "a", variables={"NAME": "a"}, Timeout=900)
    functions.create(code, "b", variables={"NAME": "b"}, Timeout=900)
    from moto.sts.responses import TokenResponse

    began: list[Any] = []
    original = TokenResponse.get_caller_identity

    def slow(self: Any) -> Any:
        began.append(clock.now())
        clock.sleep_until(NOON + timedelta(minutes=10))
        return original(self)

    answers: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TokenResponse, "get_caller_identity", slow)
        for name in ("a", "b"):
            clock.start_thread(name, lambda name=name: answers.update({name: functions.invoke(name=name)}))
        clock.advance(timedelta(hours=2))

    assert began == [NOON, NOON]
    assert answers == {"a": "a", "b": "b"}


def test_a_function_can_invoke_another(functions: Functions) -> None:
    functions.create(ECHO, "inner")
    functions.create("""
        import boto3, json, os
        def handler(event, context):
            answer = boto3.client("lambda").invoke(FunctionName="inner", Payload=json.dumps({"from": "outer"}))
            return [json.loads(answer["Payload"].read()), os.environ["AWS_LAMBDA_FUNCTION_NAME"]]
    """, "outer")  # fmt: skip

    assert functions.invoke(name="outer") == [{"from": "outer"}, "outer"]


class TestLogs:
    def test_output_goes_to_the_log_group_only(self, functions: Functions, capfd: pytest.CaptureFixture[str]) -> None:
        functions.create("""
            import sys, logging, warnings
            print("at import")
            def handler(event, context):
                print("printed", event)
                print("to stderr", file=sys.stderr)
                logging.getLogger("any").warning("logged")
                warnings.warn("warned")
        """)
        functions.invoke("x")
        lines = functions.runtime.logs("function")

        assert lines[:4] == ["at import", "printed x", "to stderr", "logged"]
        assert "UserWarning: warned" in lines[4]
        assert capfd.readouterr() == ("", "")
        logs = boto3.client("logs", "us-east-1")
        (stream,) = logs.describe_log_streams(logGroupName="/aws/lambda/function")["logStreams"]
        events = logs.get_log_events(logGroupName="/aws/lambda/function", logStreamName=stream["logStreamName"])
        assert [e["message"] for e in events["events"]] == lines
        assert {e["timestamp"] for e in events["events"]} == {int(NOON.timestamp() * 1000)}

    def test_a_stream_that_is_stored_at_import_follows_the_invocation(self, functions: Functions) -> None:
        functions.create("""
            import logging, sys
            logger = logging.getLogger("kept")
            logger.addHandler(logging.StreamHandler(sys.stdout))
            logger.setLevel("INFO")
            def handler(event, context): logger.info("said %s", event)
        """)
        for number in range(3):
            functions.invoke(number)

        assert functions.runtime.logs("function") == ["said 0", "said 1", "said 2"]
        assert not logging.getLogger("kept").handlers

    def test_powertools_log_and_count_per_function(self, functions: Functions) -> None:
        """With this machine's Powertools put into the package, as the build does."""
        from pathlib import Path

        import aws_lambda_powertools

        root = Path(aws_lambda_powertools.__file__).parent.parent
        files = {
            str(path.relative_to(root)): path.read_text()
            for package in ("aws_lambda_powertools", "jmespath")
            for path in (root / package).rglob("*.py")
        }
        files["typing_extensions.py"] = (root / "typing_extensions.py").read_text()
        files["app.py"] = """
import os
from aws_lambda_powertools import Logger, Metrics
logger, metrics = Logger(), Metrics()

@metrics.log_metrics
def handler(event, context):
    logger.append_keys(**event)
    logger.info("said")
    metrics.add_metric(name=os.environ["NAME"], unit="Count", value=1)
"""
        for name in ("a", "b"):
            variables = {"NAME": name, "POWERTOOLS_SERVICE_NAME": "same", "POWERTOOLS_METRICS_NAMESPACE": "Same"}
            functions.create(files, name, variables=variables)
        functions.invoke({"of": "a"}, "a")
        functions.invoke({"too": "b"}, "b")

        (log_entry, metrics_entry), (other_entry, _) = (
            [json.loads(line) for line in functions.runtime.logs(name)] for name in ("a", "b")
        )
        assert (log_entry["message"], log_entry["service"], log_entry["of"]) == ("said", "same", "a")
        assert log_entry["timestamp"].startswith("2026-11-22 12:00:00,000")
        assert metrics_entry["a"] == [1.0]
        assert "of" not in other_entry

    def test_another_thread_s_output_is_not_collected(self, functions: Functions, capsys: Any) -> None:
        functions.create("import boto3\ndef handler(e, c): boto3.client('sts').get_caller_identity()")
        from moto.sts.responses import TokenResponse

        original = TokenResponse.get_caller_identity

        def meanwhile(self: Any) -> Any:
            thread = threading.Thread(target=lambda: sys.stdout.write("from elsewhere"))
            thread.start()
            thread.join()
            return original(self)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(TokenResponse, "get_caller_identity", meanwhile)
            functions.invoke()

        assert capsys.readouterr().out == "from elsewhere"
        assert functions.runtime.logs("function") == []

    def test_the_tail_of_the_log_is_in_the_answer_on_request(self, functions: Functions) -> None:
        functions.create("def handler(event, context): print('hello')")
        answer = functions.client.invoke(FunctionName="function", LogType="Tail")

        assert base64.b64decode(answer["LogResult"]) == b"hello\n"
        assert answer["ExecutedVersion"] == "$LATEST"


def test_an_asynchronous_invocation_has_an_empty_answer_and_is_repeated(functions: Functions, clock: Clock) -> None:
    functions.create("def handler(event, context): print('ran'); raise ValueError")
    answer = functions.client.invoke(FunctionName="function", InvocationType="Event")
    clock.settle()

    assert answer["StatusCode"] == 202
    assert functions.runtime.logs("function").count("ran") == 1
    clock.advance(timedelta(minutes=1))
    assert functions.runtime.logs("function").count("ran") == 2
    clock.advance(timedelta(minutes=2))
    assert functions.runtime.logs("function").count("ran") == 3
    clock.advance(timedelta(hours=7))
    assert functions.runtime.logs("function").count("ran") == 3


def test_a_function_that_invokes_another_is_refused(functions: Functions, quotas: Quotas) -> None:
    quotas.settings = QuotaSettings(lambda_concurrency=1)
    functions.create(ECHO)
    functions.create(
        """
        import boto3
        from botocore.config import Config
        def handler(event, context):
            client = boto3.client("lambda", config=Config(retries={"total_max_attempts": 1, "mode": "standard"}))
            try:
                client.invoke(FunctionName="function")
            except client.exceptions.TooManyRequestsException as error:
                return error.response["Reason"]
        """,
        "outer",
    )

    assert functions.invoke(name="outer") == "ConcurrentInvocationLimitExceeded"


def test_an_asynchronous_invocation_that_lambda_refuses_is_given_up_after_six_hours(
    functions: Functions, quotas: Quotas, clock: Clock
) -> None:
    """It is tried again after 1, 2, 4 … 300 seconds: the last time after 21,511 seconds."""
    quotas.settings = QuotaSettings(lambda_concurrency=1)
    functions.create("def handler(e, c): print('ran')")
    functions.create(
        """
        import boto3, time
        def handler(event, context):
            boto3.client("lambda").invoke(FunctionName="function", InvocationType="Event")
            time.sleep(event)
        """,
        "occupant",
        Timeout=30_000,
    )

    for seconds in (21_510, 21_512):
        functions.invoke(seconds, "occupant")
        clock.advance(timedelta(hours=8))

    assert functions.runtime.logs("function") == ["ran"]


def test_messages_of_a_queue_reach_the_function(functions: Functions) -> None:
    functions.create("def handler(event, context): print(event['Records'][0]['body'])")
    sqs = boto3.client("sqs", "us-east-1")
    url = sqs.create_queue(QueueName="queue")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    functions.client.create_event_source_mapping(FunctionName="function", EventSourceArn=arn)
    sqs.send_message(QueueUrl=url, MessageBody="from the queue")

    assert functions.runtime.logs("function") == ["from the queue"]
