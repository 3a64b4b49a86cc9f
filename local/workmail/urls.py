"""The URL of Amazon WorkMail: one path, and the operation in the ``X-Amz-Target`` header."""

from .responses import WorkMailResponse

url_bases = [r"https?://workmail\.(.+)\.amazonaws\.com"]

url_paths = {"{0}/$": WorkMailResponse.dispatch}
