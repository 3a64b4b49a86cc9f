"""The operations of Amazon WorkMail, a module per subject and a method per operation."""

from .groups import GroupOperations
from .mail_domains import MailDomainOperations
from .mailbox_exports import MailboxExportOperations
from .mailboxes import MailboxOperations
from .organizations import OrganizationOperations
from .registration import RegistrationOperations
from .resources import ResourceOperations
from .tags import TagOperations
from .users import UserOperations

__all__ = [
    "GroupOperations",
    "MailDomainOperations",
    "MailboxExportOperations",
    "MailboxOperations",
    "OrganizationOperations",
    "RegistrationOperations",
    "ResourceOperations",
    "TagOperations",
    "UserOperations",
]
