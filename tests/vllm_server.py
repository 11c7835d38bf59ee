"""A `vllm serve` on the loopback interface, for tests of whatever asks a server."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

_SECONDS_TO_START = 300
_ENVIRONMENT = {
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
}


@contextlib.contextmanager
def serve(model: Path, *options: str) -> Iterator[str]:
    """Run a server and yield its base URL; the model goes by the name of its folder.

    :param options: command-line options of `vllm serve`.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *(sys.executable, "-m", "vllm.entrypoints.cli.main", "serve", str(model)),
        *("--host", "127.0.0.1", "--port", str(port), "--served-model-name", model.name),
        *("--dtype", "float32", "--enforce-eager", "--max-model-len", "512", "--max-num-seqs", "8"),
        *options,
    ]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            command,
            # The sockets between its processes stay behind when these are killed.
            env=os.environ | _ENVIRONMENT | {"VLLM_RPC_BASE_PATH": folder},
            stdout=log,
            stderr=subprocess.STDOUT,
            # Its engine is a process of its own, which ends with the group.
            start_new_session=True,
        )
        try:
            if not _is_up(server, f"http://127.0.0.1:{port}/health"):
                log.seek(0)
                raise AssertionError(f"vllm serve did not start:\n{log.read().decode()[-5000:]}")
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _is_up(server: subprocess.Popen[bytes], url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _SECONDS_TO_START
    while server.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.URLError, ConnectionError), opener.open(url, timeout=5):
            return True
        time.sleep(0.2)

    return False
