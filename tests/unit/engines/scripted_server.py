"""An OpenAI-compatible server on the loopback interface that answers or fails as a test tells it to."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request that came in."""

    path: str
    body: dict[str, Any]
    headers: Mapping[str, str]
    time: float

    @property
    def seed(self) -> int:
        """Tells the requests of a test apart."""
        return int(self.body["seed"])


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What is sent back."""

    status: int = 200
    body: Any = None
    """JSON, or bytes as they are."""
    headers: Mapping[str, str] = field(default_factory=dict)


DROP = Reply(status=0)
"""The connection ends without an answer."""

Answer = Callable[[Asked], Reply]


def completed(
    asked: Asked, text: str = "Fine.", finish_reason: str = "stop", tokens: tuple[int, int] = (5, 2)
) -> Reply:
    """Return the answer of a server that does its work."""
    said = {"message": {"content": text}} if "chat" in asked.path else {"text": text}
    usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]}

    return Reply(body={"choices": [{**said, "finish_reason": finish_reason}], "usage": usage})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Connections beyond it wait for a second.
    request_queue_size = 128


class ScriptedServer:
    """Serves until it is closed."""

    def __init__(self) -> None:
        self.models = Reply(body={"data": [{"id": "judge"}]})
        self.answer: Answer = completed
        self.asked: list[Asked] = []
        self.num_running = self.most_running = 0
        self._lock = threading.Lock()
        self._http = _Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def reply_to(self, asked: Asked) -> Reply:
        with self._lock:
            self.asked.append(asked)
            self.num_running += 1
            self.most_running = max(self.most_running, self.num_running)
        try:
            return self.answer(asked)
        finally:
            # Before the answer is sent: the next request may come at once.
            with self._lock:
                self.num_running -= 1


def _handler(server: ScriptedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._send(server.models)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            asked = Asked(path=self.path, body=body, headers=dict(self.headers), time=time.monotonic())
            self._send(server.reply_to(asked))

        def _send(self, reply: Reply) -> None:
            self.close_connection = True
            if reply is DROP:
                return
            body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.send_header("connection", "close")
            # Some tests do not wait for the answer.
            with contextlib.suppress(ConnectionError):
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler
