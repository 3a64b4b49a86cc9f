"""Where Amazon WorkMail answers: one path, told apart by the ``X-Amz-Target`` header."""

from .responses import WorkMailResponse

url_bases = [r"https?://workmail\.(.+)\.amazonaws\.com"]

url_paths = {"{0}/$": WorkMailResponse.dispatch}
