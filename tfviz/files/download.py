"""Brings files into the cache, and takes nothing into it that is not the right file.

A file is known by its size and SHA-256; both are checked when it arrives. It is written under a temporary name in
the cache folder and renamed when it is complete, so that a process that is killed leaves nothing that could be
mistaken for the file. Of two processes that want one file, one brings it.

A host that fails is asked again; one that says nothing, stops, or drips has been waited for once and is not.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from time import sleep
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlsplit

from tfviz.files import lock
from tfviz.files.atomic import clear
from tfviz.files.hashes import file_sha256

if TYPE_CHECKING:
    import requests

Progress = Callable[[str, int, int], None]
TIMEOUT = (6.0, 20.0)
"""Seconds to wait for a connection, which a proxy has to make, and for more bytes."""
SLOWEST = (1000.0, 30.0)
"""Bytes a second, and seconds over which a host must keep it up: each byte alone would be waited for."""
_CHUNK = 1 << 14  # bytes, fewer than the slowest host that is waited for sends meanwhile
_PART = ".part"  # ends the name of what is being written


@dataclass(frozen=True)
class Url:
    """A file that is downloaded as it is.

    Attributes:
        urls: Addresses of the same bytes, tried in order.
        filename: Its name in the cache.
        size: Bytes.
        sha256: Hexadecimal, lower case.
    """

    urls: tuple[str, ...]
    filename: str
    size: int
    sha256: str

    @property
    def address(self) -> str:
        """Where a person finds the file."""
        return self.urls[0]

    @property
    def origin(self) -> str:
        """Where the file is from, in words."""
        return f"{self.filename} from {urlsplit(self.urls[0]).hostname}"


class FailedError(Exception):
    """A source did not give the file. `again`: the next attempt may succeed."""

    def __init__(self, reason: str, *, again: bool = False) -> None:
        super().__init__(reason)
        self.again = again


def cache_folder() -> Path:
    """The folder for downloaded files: the environment variable TFVIZ_CACHE, or the user's cache folder."""
    if chosen := os.environ.get("TFVIZ_CACHE"):
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("tfviz"))


def is_sound(path: Path, size: int, sha256: str) -> bool:
    """Whether the file at a path is the right one."""
    try:
        return path.stat().st_size == size and file_sha256(path) == sha256
    except OSError:  # not there, or not to be opened: then there is none
        return False


@contextmanager
def fetching(target: Path, say: Callable[[str], None] | None) -> Iterator[None]:
    """Inside, no other process brings this file, and what killed ones left of it is gone.

    Args:
        target: where it goes; another process may have brought it meanwhile.
        say: called with one line if another process is at it and is waited for.

    Raises:
        OSError: the folder cannot be made or written.
    """

    def busy(holder: str) -> None:
        if say:
            say(f"Another run ({holder}) is bringing {target.name}: waiting for it.")

    target.parent.mkdir(parents=True, exist_ok=True)
    with lock.held(target.with_name(f".{target.name}.lock"), busy) as alone:
        for left in target.parent.glob(f".{target.name}.*{_PART}") if alone else ():
            clear(left)
        yield


@contextmanager
def incoming(target: Path) -> Iterator[BinaryIO]:
    """An empty file that takes the target's place if the block ends well, and vanishes if not."""
    part = target.with_name(f".{target.name}.{secrets.token_hex(8)}{_PART}")
    try:
        with open(part, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def beside(target: Path) -> Iterator[Path]:
    """An empty folder beside the target that vanishes in the end."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.", suffix=_PART) as folder:
        yield Path(folder)


class _Meter:
    """Writes what arrives, counts and hashes it, and stops a sender that does not stop."""

    def __init__(self, file: BinaryIO, source: Url, host: str, progress: Progress | None) -> None:
        self.file, self.source, self.host, self.progress = file, source, host, progress
        self.done = 0
        self.digest = hashlib.sha256()

    def write(self, chunk: bytes) -> None:
        self.done += len(chunk)
        if self.done > self.source.size:
            raise FailedError(f"{self.host} sent more than {self.source.size} bytes")
        self.file.write(chunk)
        self.digest.update(chunk)
        if self.progress:
            self.progress(self.source.filename, self.done, self.source.size)

    def flush(self) -> None:
        """Asked for after each chunk, needed once: see `incoming`."""


def download(
    source: Url,
    target: Path,
    progress: Progress | None,
    say: Callable[[str], None] | None,
    timeout: tuple[float, float],
    attempts: int,
    pause: float,
) -> None:
    """Brings a file into its place from the first of its addresses that hands over the right bytes.

    Args:
        source: What it is and where it is.
        target: Where it goes; the folder must be there.
        progress: Called as `progress(description, done_bytes, total_bytes)` while it comes.
        say: Called with one line before each address is tried.
        timeout: Seconds to wait for a connection, and for more bytes.
        attempts: How often to try one address when the failure may pass.
        pause: Seconds between attempts.

    Raises:
        FailedError: No address did; the message says what each answered. The target is as it was.
        OSError: The folder cannot be written.
    """
    failures = []
    for url in source.urls:
        if say:
            megabytes = source.size / 1e6
            say(f"Downloading {source.filename} ({megabytes:.0f} MB) from {urlsplit(url).hostname}.")
        for attempt in range(1, attempts + 1):
            try:
                return _download_once(url, source, target, progress, timeout)
            except FailedError as error:
                if not error.again or attempt == attempts:
                    failures.append(str(error))
                    break
                sleep(pause)
    raise FailedError(", ".join(failures))


def _download_once(
    url: str, source: Url, target: Path, progress: Progress | None, timeout: tuple[float, float]
) -> None:
    import pooch  # type: ignore[import-untyped]
    import requests

    host = urlsplit(url).hostname or url

    opened: list[requests.Response] = []

    def check_length(response: requests.Response, **_: Any) -> None:
        opened.append(response)
        length = response.headers.get("Content-Length")
        if response.status_code == 200 and length is not None and length != str(source.size):
            response.close()
            raise FailedError(f"{host} offers another file, of {length[:20]} bytes")

    download = pooch.HTTPDownloader(
        chunk_size=_CHUNK,
        timeout=timeout,
        hooks={"response": check_length},
        headers={"Accept-Encoding": "identity"},  # the size announced is then the file's own
    )
    with incoming(target) as file:
        meter = _Meter(file, source, host, progress)

        def receive() -> None:
            try:
                download(url, meter, None)
            finally:
                for response in opened:
                    response.close()

        try:
            _not_slower(receive, meter)
        except requests.RequestException as error:
            raise _in_words(error, host, meter.done) from error
        if meter.done < source.size:
            raise FailedError(f"{host} broke off after {meter.done} of {source.size} bytes", again=True)
        if meter.digest.hexdigest() != source.sha256:
            raise FailedError(f"{host} sent another file, with sha256 {meter.digest.hexdigest()}")


def _not_slower(call: Callable[[], None], meter: _Meter) -> None:
    """Make a call that fills a meter, and give it up where too little arrives; names and headers may drip, too.

    It runs in a thread of its own, which a host that drips cannot hold this one up in. Given up, it ends when the
    host has sent a whole piece, since the file is closed by then, or with the process.

    Raises:
        FailedError: fewer bytes than `SLOWEST` arrived.
        Exception: what the call raises.
    """
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            raised.append(error)

    thread = Thread(target=run, daemon=True)
    thread.start()
    rate, seconds = SLOWEST
    while True:
        before = meter.done
        thread.join(seconds)
        if not thread.is_alive():
            break
        if meter.done - before < rate * seconds:
            raise FailedError(
                f"{meter.host} is too slow: {meter.done - before} bytes came within {seconds:g} seconds"
            )
    if raised:
        raise raised[0]


def _in_words(error: requests.RequestException, host: str, done: int) -> FailedError:
    """What went wrong, without the nested representations that the network libraries make."""
    from requests import exceptions as e

    match error:
        case e.SSLError():
            return FailedError(f"the certificate of {host} could not be verified")
        case e.ProxyError():
            return FailedError(f"the proxy on the way to {host} did not let it through")
        case e.HTTPError(response=response) if response is not None:
            code = response.status_code
            return FailedError(f"{host} answered {code}", again=code >= 500 or code == 429)
        case e.TooManyRedirects():
            return FailedError(f"{host} redirects in circles")
        case e.ReadTimeout():
            return FailedError(f"{host} does not answer")
        case e.ConnectionError() if _is_silence(error):
            return FailedError(f"{host} broke off after {done} bytes" if done else f"{host} does not answer")
        case e.ChunkedEncodingError() | e.ConnectionError() if done:
            return FailedError(f"{host} broke off after {done} bytes", again=True)
        case e.ChunkedEncodingError() | e.ConnectionError():
            return FailedError(f"{host} could not be reached", again=True)
        case _:
            return FailedError(f"{host} could not be used ({type(error).__name__})")


def _is_silence(error: requests.RequestException) -> bool:
    """Whether the time to wait for a host has passed, however deep in other errors that is said."""
    from urllib3 import exceptions as e

    found: object = error
    while isinstance(found, Exception):
        if isinstance(found, e.TimeoutError):
            return not isinstance(
                found, e.NewConnectionError
            )  # which is one to urllib3: somebody answered no
        found = getattr(found, "reason", None) or (found.args[0] if found.args else None)
    return False
