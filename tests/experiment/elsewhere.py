"""Workers of a scheduler that do not see some folders: each has a mount namespace of its own (Linux)."""

import contextlib
import os
import shlex
import shutil
import subprocess
import sys

from tfviz.files.program import CHECKOUT

UNSHARE = ("unshare", "--map-root-user", "--mount")


def may_hide():
    """Whether this user may make mount namespaces."""
    if sys.platform != "linux" or not shutil.which("unshare"):
        return False
    tried = subprocess.run([*UNSHARE, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True)
    return tried.returncode == 0


@contextlib.contextmanager
def workers_that_do_not_see(hidden, place, count=1, path=(CHECKOUT,)):
    """The address of a scheduler with so many workers.

    Args:
        hidden: folders that are empty for them.
        place: an empty folder outside these, in which each has its cache, "cache-0" and so on, and its log.
        count: of workers.
        path: folders in which they look for modules.
    """
    import distributed

    with distributed.LocalCluster(n_workers=0, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        there = []
        try:
            for number in range(count):
                worker = [
                    *(
                        sys.executable,
                        "-m",
                        "distributed.cli.dask_worker",
                        address,
                        "--no-nanny",
                        "--nthreads=1",
                    ),
                    *("--no-dashboard", "--local-directory", place / f"scratch-{number}"),
                ]
                mounts = [["mount", "-t", "tmpfs", "none", folder] for folder in hidden]
                script = " && ".join(shlex.join(map(str, each)) for each in (*mounts, ["exec", *worker]))
                env = {
                    **os.environ,
                    "OMP_NUM_THREADS": "1",  # as a nanny would say, before NumPy is imported
                    "TFVIZ_CACHE": str(place / f"cache-{number}"),
                    "PYTHONPATH": os.pathsep.join(map(str, path)),
                }
                with (place / f"log-{number}").open("w") as log:
                    there.append(
                        subprocess.Popen(
                            [*UNSHARE, "sh", "-c", script],
                            cwd=place,
                            env=env,
                            stdout=log,
                            stderr=subprocess.STDOUT,
                        )
                    )
            cluster.get_client().wait_for_workers(count, timeout=120)
            yield address
        finally:
            for process in there:
                process.kill()
                process.wait()
