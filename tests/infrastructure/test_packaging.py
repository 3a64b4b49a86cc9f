"""The Lambda asset: it has the files of the locked wheels, and is complete, pure Python, small and reproducible."""

import ast
import hashlib
import io
import marshal
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib import metadata
from importlib.metadata import PackagePath
from pathlib import Path, PurePath

import pytest

from stacks.bytecode import compile_sources, find_interpreter
from stacks.locked_packages import ROOT, LockedWheel, PackagingError, read_locked_packages, read_locked_wheels
from stacks.packaging import build_asset, list_source_files
from stacks.wheels import CACHE, fetch_wheels, read_wheel

LAMBDA_PROVIDES = {"boto3", "botocore"}
UNCHECKED_HASH = 0b01
"""The flags of bytecode that is used without a look at its source (PEP 552)."""
TWO_MEBIBYTES = 2 * 1024 * 1024


@pytest.fixture(scope="module")
def asset() -> Path:
    return build_asset().path


@pytest.fixture
def lambdas(tmp_path: Path) -> Iterator[Path]:
    """Sources whose asset no other test builds."""
    folder = tmp_path / "lambdas"
    (folder / "shared" / "__pycache__").mkdir(parents=True)
    (folder / "handler.py").write_text(f"# {tmp_path}\n")
    (folder / "shared" / "__init__.py").touch()
    (folder / "shared" / "__pycache__" / "left_behind.cpython-311.pyc").write_bytes(b"\0")
    yield folder
    shutil.rmtree(build_asset(folder).path, ignore_errors=True)


def lock_file(folder: Path, *packages: str) -> Path:
    path = folder / "uv.lock"
    path.write_text("version = 1\n" + "\n".join(f"[[package]]\n{package}\n" for package in packages))
    return path


def project(dependencies: str) -> str:
    deployed = f"[package.dev-dependencies]\nfunctions = [{dependencies}]"
    return f'name = "workmail-offboarding"\nversion = "1"\ndependencies = [{{ name = "click" }}]\n{deployed}'


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): (path.stat().st_mode, path.read_bytes()) for path in files}


def list_imports(module: ast.Module) -> Iterator[str]:
    """List the packages that a module imports at run time, not only for the type checker."""
    nodes: list[ast.AST] = [module]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]
        elif not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            nodes.extend(ast.iter_child_nodes(node))


def test_the_handlers_are_at_the_top_of_the_asset_beside_their_packages(asset: Path) -> None:
    handlers = {path.name for path in (ROOT / "lambdas").glob("*.py")}
    assert {"resolve_entity.py", "decide_approval.py", "register_entity.py", "close_record.py"} <= handlers
    assert handlers <= {path.name for path in asset.iterdir()}
    for package in ("offboarding", "aws_lambda_powertools", "fastjsonschema", "jmespath"):
        assert (asset / package / "__init__.py").is_file()


def test_every_import_of_a_handler_is_in_the_asset_or_in_the_runtime(asset: Path) -> None:
    vendored = {path.name.partition(".")[0] for path in asset.iterdir()}
    for path in [*asset.glob("*.py"), *(asset / "offboarding").rglob("*.py")]:
        if path.name != "typing_extensions.py":
            imports = set(list_imports(ast.parse(path.read_text())))
            assert imports <= vendored | LAMBDA_PROVIDES | sys.stdlib_module_names, path.name


def test_the_vendored_packages_import_with_nothing_else_installed(asset: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(asset)!r})\n"
        "from aws_lambda_powertools import Logger, Metrics\n"
        "from aws_lambda_powertools.utilities.validation import validate\n"
        "validate(event={'a': 1}, schema={'type': 'object', 'required': ['a']})\n"
    )
    isolated = subprocess.run([sys.executable, "-I", "-S", "-B", "-c", code], capture_output=True, text=True)
    assert isolated.returncode == 0, isolated.stderr


def test_the_asset_contains_no_unnecessary_files(asset: Path) -> None:
    paths = [path.relative_to(asset) for path in asset.rglob("*")]
    assert not [path for path in paths if path.suffix in {".so", ".pyd", ".pyc"} or path.name == "__pycache__"]
    assert not [path for path in paths if path.parts[0] in {"boto3", "botocore", "tests", "bin"}]
    assert not [path for path in paths if path.name in {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}]


def test_every_vendored_package_has_its_licence_and_its_version(asset: Path) -> None:
    for name, version in read_locked_packages().items():
        information = asset / f"{name.replace('-', '_')}-{version}.dist-info"
        assert f"\nVersion: {version}\n" in (information / "METADATA").read_text()
        assert list(information.rglob("LICEN*")), name


def test_the_zipped_asset_is_smaller_than_two_mebibytes(asset: Path, tmp_path: Path) -> None:
    archive = tmp_path / "asset.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for path in sorted(asset.rglob("*")):
            zipped.write(path, path.relative_to(asset))
    assert archive.stat().st_size < TWO_MEBIBYTES


def test_the_same_sources_give_the_same_tree_whatever_the_umask(lambdas: Path) -> None:
    first_asset = build_asset(lambdas).path
    first_tree = tree(first_asset)
    shutil.rmtree(first_asset)
    umask = os.umask(0o077)
    try:
        second = build_asset(lambdas).path
    finally:
        os.umask(umask)
    assert second == first_asset
    assert tree(second) == first_tree
    assert {"handler.py", "shared/__init__.py"} <= first_tree.keys()
    assert not [path for path in first_tree if "__pycache__" in path]


def test_bytecode_is_the_same_in_each_build_and_has_no_path_of_this_machine(lambdas: Path) -> None:
    """What holds for the Python of the tests holds for that of Lambda: both follow PEP 552."""
    contents = {path.relative_to(lambdas).as_posix(): path.read_bytes() for path in list_source_files(lambdas)}
    contents["sets.py"] = b'def is_known(word):\n    return word in {"a", "b", "c", "d"}\n'

    bytecode, repeated_bytecode = (compile_sources(contents, sys.executable) for _ in range(2))

    assert bytecode == repeated_bytecode
    assert {PurePath(path).name.partition(".")[0] for path in bytecode} == {"handler", "__init__", "sets"}
    for path, code in bytecode.items():
        assert int.from_bytes(code[4:8], "little") == UNCHECKED_HASH, path
        assert marshal.loads(code[16:]).co_filename.startswith("/var/task/"), path  # noqa: S302 (it was just made)


def test_a_module_that_cannot_be_compiled_stops_the_packaging_with_a_sentence() -> None:
    with pytest.raises(PackagingError, match=r"cannot compile the functions: correct the module.*SyntaxError"):
        compile_sources({"handler.py": b"def handler(:\n"}, sys.executable)


def test_bytecode_changes_nothing_but_the_folder_of_the_asset(lambdas: Path) -> None:
    plain, compiled = build_asset(lambdas), build_asset(lambdas, interpreter=sys.executable)
    plain_tree, compiled_tree = tree(plain.path), tree(compiled.path)
    shutil.rmtree(compiled.path)

    assert (plain.has_bytecode, compiled.has_bytecode) == (False, True)
    assert plain.source_hash == compiled.source_hash
    assert plain_tree.items() <= compiled_tree.items()
    assert {PurePath(path).suffix for path in compiled_tree.keys() - plain_tree.keys()} == {".pyc"}


def test_bytecode_is_made_by_the_deployed_version_and_no_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    deployed = tmp_path / "python3.13"
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", write_interpreter(tmp_path / "python", "3.14"))

    answers = []
    for version in (None, "", "3.12", "3.13"):
        if version is not None:
            write_interpreter(deployed, version)
        find_interpreter.cache_clear()
        answers.append(find_interpreter())
    find_interpreter.cache_clear()

    assert answers == [None, None, None, str(deployed)]


def write_interpreter(path: Path, version: str) -> str:
    """Write a command that says that it is a Python of a version; without one it fails, as a name without a Python."""
    path.write_text(f"#!/bin/sh\necho '{version}'\nexit {0 if version else 127}\n")
    path.chmod(0o755)
    return str(path)


def test_a_changed_source_gives_another_tree(lambdas: Path) -> None:
    first_asset = build_asset(lambdas).path
    (lambdas / "handler.py").write_text("# changed\n")
    assert build_asset(lambdas).path != first_asset
    shutil.rmtree(first_asset)


def test_a_vendored_package_that_would_overwrite_a_module_is_refused(lambdas: Path) -> None:
    (lambdas / "jmespath").mkdir()
    (lambdas / "jmespath" / "__init__.py").touch()
    with pytest.raises(PackagingError, match=r"jmespath .* would overwrite jmespath/__init__.py in the Lambda asset"):
        build_asset(lambdas)
    shutil.rmtree(lambdas / "jmespath")


def test_the_deployed_packages_are_those_of_their_group_without_what_the_command_needs() -> None:
    assert read_locked_packages().keys() == {
        "aws-lambda-powertools",
        "fastjsonschema",
        "jmespath",
        "typing-extensions",
    }


def test_the_lock_is_read_for_the_deployed_python_not_the_running_one(tmp_path: Path) -> None:
    lock = lock_file(
        tmp_path,
        project('{ name = "library", extra = ["more"] }'),
        'name = "library"\nversion = "2"\ndependencies = [\n'
        '    { name = "backport", marker = "python_full_version < \'3.13\'" },\n'
        '    { name = "graviton", marker = "platform_machine == \'aarch64\'" },\n'
        '    { name = "forked", version = "1", marker = "python_full_version < \'3.12\'" },\n'
        '    { name = "forked", version = "2", marker = "python_full_version >= \'3.12\'" },\n'
        ']\n[package.optional-dependencies]\nmore = [{ name = "extra" }]\nnot-asked-for = [{ name = "unwanted" }]',
        'name = "backport"\nversion = "1"',
        'name = "graviton"\nversion = "1"',
        'name = "forked"\nversion = "1"',
        'name = "forked"\nversion = "2"',
        'name = "extra"\nversion = "1"\ndependencies = [{ name = "library" }]',
        'name = "unwanted"\nversion = "1"',
    )
    assert read_locked_packages(lock) == {"library": "2", "graviton": "1", "forked": "2", "extra": "1"}


def test_a_lock_with_an_ambiguous_version_is_refused(tmp_path: Path) -> None:
    lock = lock_file(
        tmp_path, project('{ name = "forked" }'), 'name = "forked"\nversion = "1"', 'name = "forked"\nversion = "2"'
    )
    with pytest.raises(PackagingError, match=r"uv.lock does not say which version of forked is deployed"):
        read_locked_packages(lock)


def write_wheel(folder: Path, *files: str, content: str = "") -> LockedWheel:
    """Write a wheel of the package `library` that is named as an index names it, and return it as a lock has it."""
    folder.mkdir(exist_ok=True)
    path = folder / "library-1-py3-none-any.whl"
    metadata = "Metadata-Version: 2.1\nName: library\nVersion: 1\n"
    with zipfile.ZipFile(path, "w") as archive:
        for file in files:
            archive.writestr(file, content)
        archive.writestr("library-1.dist-info/METADATA", metadata)
        archive.writestr("library-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("library-1.dist-info/RECORD", "")
    return LockedWheel("library", "1", hashlib.sha256(path.read_bytes()).hexdigest())


def put_into_cache(folder: Path, cache: Path, wheel: LockedWheel) -> None:
    cache.mkdir()
    shutil.copy(folder / "library-1-py3-none-any.whl", cache / f"{wheel.sha256}.whl")


def test_the_vendored_files_are_those_of_the_locked_wheels(asset: Path) -> None:
    sources = {path.relative_to(ROOT / "lambdas").as_posix() for path in list_source_files(ROOT / "lambdas")}
    vendored = {path: content for path, (_, content) in tree(asset).items() if path not in sources}
    expected: dict[str, bytes] = {}
    for wheel in read_locked_wheels():
        content = (CACHE / f"{wheel.sha256}.whl").read_bytes()
        assert hashlib.sha256(content).hexdigest() == wheel.sha256
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            expected |= {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}

    assert {path for path in vendored if ".dist-info/" not in path} == {
        path for path in expected if ".data/" not in path
    }
    assert all(expected[path] == content for path, content in vendored.items() if ".dist-info/" not in path)


def test_an_installed_package_that_was_changed_is_not_deployed(
    lambdas: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "site-packages"
    version = read_locked_packages()["jmespath"]
    information = installed / f"jmespath-{version}.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: jmespath\nVersion: {version}\n")
    (information / "RECORD").write_text("jmespath/__init__.py,,\n")
    (installed / "jmespath").mkdir()
    (installed / "jmespath" / "__init__.py").write_text("changed = True\n")
    monkeypatch.syspath_prepend(str(installed))
    assert metadata.files("jmespath") == [PackagePath("jmespath/__init__.py")]

    vendored = (build_asset(lambdas).path / "jmespath" / "__init__.py").read_text()

    assert "changed" not in vendored
    assert f"__version__ = '{version}'" in vendored


def test_a_wheel_is_fetched_from_the_configured_index_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = write_wheel(tmp_path / "index", "library/__init__.py")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))

    fetch_wheels([wheel], tmp_path / "cache")
    shutil.rmtree(tmp_path / "index")
    fetch_wheels([wheel], tmp_path / "cache")

    assert [path.name for path in (tmp_path / "cache").iterdir()] == [f"{wheel.sha256}.whl"]
    assert read_wheel(wheel, tmp_path / "cache").keys() == {"library/__init__.py", "library-1.dist-info/METADATA"}


def test_a_wheel_with_another_hash_than_in_the_lock_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = write_wheel(tmp_path / "index", "library/__init__.py")
    write_wheel(tmp_path / "index", "library/__init__.py", content="import os")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))

    with pytest.raises(PackagingError, match=r"index has another wheel than uv\.lock, by its hash, .*: library 1$"):
        fetch_wheels([locked], tmp_path / "cache")

    assert not [*(tmp_path / "cache").iterdir()]


@pytest.mark.long
def test_without_the_index_one_sentence_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))

    sentence = r"pip cannot fetch library 1: run make setup where the package index can be reached \(.*library==1"
    with pytest.raises(PackagingError, match=sentence):
        fetch_wheels([LockedWheel("library", "1", "0" * 64)], tmp_path / "cache")


def test_a_changed_file_of_the_cache_is_not_deployed(tmp_path: Path) -> None:
    locked = write_wheel(tmp_path / "index", "library/__init__.py")
    write_wheel(tmp_path / "index", "library/__init__.py", content="import os")
    put_into_cache(tmp_path / "index", tmp_path / "cache", locked)

    with pytest.raises(PackagingError, match=r"library 1 is not in .*: run make setup"):
        read_wheel(locked, tmp_path / "cache")


def test_only_code_data_licences_and_the_version_are_deployed(tmp_path: Path) -> None:
    files = ("library/__init__.py", "library/data.json", "library-1.dist-info/licenses/LICENSE")
    left_out = (
        *("tests/test_library.py", "library/tests/test_library.py", "library/__pycache__/a.cpython-313.pyc"),
        *("library-1.data/scripts/run.py", "library-1.dist-info/entry_points.txt", "../outside.py", "/absolute.py"),
    )
    wheel = write_wheel(tmp_path / "index", *files, *left_out)
    put_into_cache(tmp_path / "index", tmp_path / "cache", wheel)

    assert read_wheel(wheel, tmp_path / "cache").keys() == {*files, "library-1.dist-info/METADATA"}


def test_a_wheel_with_a_compiled_file_is_refused(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / "index", "library/__init__.py", "library/fast.so")
    put_into_cache(tmp_path / "index", tmp_path / "cache", wheel)

    with pytest.raises(PackagingError, match=r"library 1 has a compiled file \(library/fast.so\), and only pure"):
        read_wheel(wheel, tmp_path / "cache")


@pytest.mark.parametrize(
    ("wheels", "sentence"),
    [
        ("", "uv.lock has 0 wheels of library 1 that run everywhere"),
        (
            '{ url = "https://e/library-1-cp313-cp313-manylinux_2_28_aarch64.whl", hash = "sha256:0" }',
            "uv.lock has 0 wheels of library 1 that run everywhere",
        ),
        ('{ url = "https://e/library-1-py3-none-any.whl", hash = "md5:0" }', "uv.lock has no sha256 of the wheel"),
    ],
)
def test_a_lock_without_a_hash_of_a_pure_python_wheel_is_refused(tmp_path: Path, wheels: str, sentence: str) -> None:
    lock = lock_file(tmp_path, project('{ name = "library" }'), f'name = "library"\nversion = "1"\nwheels = [{wheels}]')
    with pytest.raises(PackagingError, match=sentence):
        build_asset(lock=lock)
