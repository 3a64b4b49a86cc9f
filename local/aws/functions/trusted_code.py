"""Which code the embedded AWS runs: only that of assets on this machine, compared by content.

Functions run in this process, as this user. So whoever may create a function may run any code, unless the code is
known. A package is trusted if its files are exactly those of an asset's directory; how it was zipped has no
meaning. The handler must be ``<module>.handler`` of a module at the top of the asset: the standard library has
functions that would run an event as a command. A function may not set variables that change how the SDK works: a
profile in a configuration file can name a command as well.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from moto.awslambda.exceptions import InvalidParameterValueException

UNTRUSTED_CODE = (
    "The embedded AWS runs only code of this checkout: the package must have exactly the files of an asset in cdk.out, "
    "or of the deployed stack."
)
_HANDLER = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\.handler")
_REFUSED_VARIABLE = re.compile(r"(AWS_|LD_|PYTHON|PATH$|HOME$|_HANDLER$)", re.IGNORECASE)


class TrustedCode:
    """The packages of some assets.

    Parameters
    ----------
    list_assets
        Lists the directories of the assets. It is called whenever a package is new, so it can list new ones.
    """

    def __init__(self, list_assets: Callable[[], Iterable[Path]]) -> None:
        self._list_assets = list_assets
        self._modules: dict[str, frozenset[str]] = {}
        """The modules at the top of each trusted package, by the package's hash as Lambda has it."""

    def require_package(self, package: bytes) -> None:
        """Require that a package is an asset's.

        Raises
        ------
        InvalidParameterValueException
            It is not; or it is no zip archive.
        """
        digest = b64encode(hashlib.sha256(package).digest()).decode()
        if digest not in self._modules:
            asset = self._find_asset(package)
            if asset is None:
                raise InvalidParameterValueException(UNTRUSTED_CODE)
            self._modules[digest] = frozenset(path.stem for path in asset.glob("*.py"))

    def find_refusal(self, function: Any) -> str | None:
        """Return why a function is not run, as a sentence; None if it is run.

        Parameters
        ----------
        function
            One of moto's functions.
        """
        if function.code_sha_256 not in self._modules:
            try:
                self.require_package(bytes(function.code_bytes))
            except InvalidParameterValueException:
                return UNTRUSTED_CODE
        modules = self._modules.get(function.code_sha_256, frozenset())
        handler = _HANDLER.fullmatch(str(function.handler))
        if handler is None or handler[1] not in modules:
            return "The embedded AWS runs only handlers of the form <module>.handler, of a module of the asset."
        names = sorted(name for name in function.environment_vars if _REFUSED_VARIABLE.match(name))
        if names:
            return f"The embedded AWS runs no function that sets the environment variable {names[0]}."
        return None

    def _find_asset(self, package: bytes) -> Path | None:
        try:
            with zipfile.ZipFile(io.BytesIO(package)) as archive:
                return next((asset for asset in self._list_assets() if _is_equal(archive, asset)), None)
        except (zipfile.BadZipFile, OSError, ValueError, EOFError, RuntimeError, zlib.error):
            return None


def _is_equal(archive: zipfile.ZipFile, asset: Path) -> bool:
    """Compare names and sizes first: a foreign archive is not even unpacked."""
    paths = {path.relative_to(asset).as_posix(): path for path in asset.rglob("*")}
    folders = {f"{name}/" for name, path in paths.items() if path.is_dir()}
    files = {name: path for name, path in paths.items() if path.is_file()}
    entries = [entry for entry in archive.infolist() if entry.filename not in folders]
    # As a list: an archive can have two files of one name.
    if sorted((entry.filename, entry.file_size) for entry in entries) != sorted(
        (name, path.stat().st_size) for name, path in files.items()
    ):
        return False
    return all(archive.read(name) == path.read_bytes() for name, path in files.items())
