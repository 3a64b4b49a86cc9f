"""Exports of mailboxes: their contents, the archive, the job, and what the job may do."""
