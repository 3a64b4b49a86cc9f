"""WorkMail's answers about exports: jobs, and what is wrong with an answer."""

from datetime import timedelta
from typing import Any

import pytest

from local.defaults import ORGANIZATION_ID
from offboarding.adapters.archives import ArchiveSettings
from offboarding.adapters.mailbox_exports import MailboxExports
from offboarding.domain import errors
from offboarding.domain.exports import ExportJob, JobState
from offboarding.domain.timestamps import parse
from tests.unit.conftest import NOW, Exports, client

SETTINGS = ArchiveSettings("archives", "mail/", "key", "role", 8, 3, 14)
TOKEN = "0123456789abcdef" * 4
JOB = {"JobId": "j", "EntityId": "e", "State": "RUNNING"}


class AnsweringClient:
    """Answers each operation with what the test says, and keeps the requests."""

    def __init__(self, **answers: Any) -> None:
        self.answers, self.requests = answers, []

    def __getattr__(self, method: str) -> Any:
        def answer(**parameters: Any) -> Any:
            self.requests.append(parameters)
            return self.answers[method]

        return answer


def make_exports(**answers: Any) -> MailboxExports:
    return MailboxExports(AnsweringClient(**answers), ORGANIZATION_ID)


def test_the_place_of_an_export_has_ids_alone() -> None:
    exports_ = make_exports(start_mailbox_export_job={"JobId": "j"})

    assert exports_.start_job("e", SETTINGS, TOKEN) == "j"
    assert exports_._client.requests == [
        {
            "OrganizationId": ORGANIZATION_ID, "ClientToken": TOKEN, "EntityId": "e", "RoleArn": "role",
            "KmsKeyArn": "key", "S3BucketName": "archives", "S3Prefix": f"mail/{ORGANIZATION_ID}/e/0123456789abcdef/",
        }
    ]  # fmt: skip


@pytest.mark.parametrize("answer", [{}, {"JobId": None}, {"JobId": 7}])
def test_a_start_without_a_job_is_tried_again(answer: dict[str, Any]) -> None:
    with pytest.raises(errors.WorkMailUnavailable, match="StartMailboxExportJob without JobId"):
        make_exports(start_mailbox_export_job=answer).start_job("e", SETTINGS, TOKEN)


def test_a_job_is_described_with_what_workmail_shows() -> None:
    answer = {
        "EntityId": "e", "State": "FAILED", "S3BucketName": "archives", "S3Path": "mail/a.zip",
        "EstimatedProgress": 40, "ErrorInfo": "no", "StartTime": parse(NOW), "EndTime": parse(NOW),
    }  # fmt: skip
    described = make_exports(describe_mailbox_export_job=answer).describe_job("j")

    assert described == ExportJob("j", "e", JobState.FAILED, "archives", "mail/a.zip", 40, "no", parse(NOW), parse(NOW))
    minimal = make_exports(list_mailbox_export_jobs={"Jobs": [JOB]}).list_jobs()
    assert minimal == [ExportJob("j", "e", JobState.RUNNING)]
    assert make_exports(list_mailbox_export_jobs={}).list_jobs() == []


@pytest.mark.parametrize("member", ["JobId", "EntityId", "State"])
def test_a_job_without_a_member_is_not_relied_on(member: str) -> None:
    item = {name: value for name, value in JOB.items() if name != member}

    with pytest.raises(errors.WorkMailUnavailable, match=f"ListMailboxExportJobs without {member}"):
        make_exports(list_mailbox_export_jobs={"Jobs": [item]}).list_jobs()


def test_a_state_that_nobody_documents_is_not_relied_on() -> None:
    with pytest.raises(errors.WorkMailUnavailable, match="the State PAUSED, which is not one of RUNNING, COMPLETED"):
        make_exports(describe_mailbox_export_job={**JOB, "State": "PAUSED"}).describe_job("j")


def test_jobs_are_started_listed_and_cancelled_in_workmail(exports: Exports, dana: str) -> None:
    settings = ArchiveSettings("archives", "mail/", exports.key_arn, exports.role_arn, 8, 3, 14)
    adapter = MailboxExports(client("workmail"), ORGANIZATION_ID)

    job_id = adapter.start_job(dana, settings, TOKEN)

    assert adapter.start_job(dana, settings, TOKEN) == job_id, "the same token returns the same job"
    with pytest.raises(errors.ExportLimitReached, match=r"LimitExceededException\. Ten exports run, or"):
        adapter.start_job(dana, settings, TOKEN[::-1])
    [job] = adapter.list_jobs()
    assert (job.id, job.entity_id, job.is_running, job.bucket) == (job_id, dana, True, "archives")
    adapter.cancel_job(job_id, "cancel")
    described = adapter.describe_job(job_id)
    assert described is not None
    assert described.state is JobState.CANCELLED
    adapter.cancel_job(job_id, "again")
    exports.clock.shift(timedelta(days=8))
    assert adapter.describe_job(job_id) is None
    adapter.cancel_job(job_id, "too-late")


def test_the_jobs_of_all_pages_are_listed(exports: Exports) -> None:
    pages = iter([{"Jobs": [JOB], "NextToken": "t"}, {"Jobs": [{**JOB, "JobId": "k"}]}])

    class Pages:
        def list_mailbox_export_jobs(self, **_: Any) -> Any:
            return next(pages)

    assert [job.id for job in MailboxExports(Pages(), ORGANIZATION_ID).list_jobs()] == ["j", "k"]
