"""An OpenAI-compatible server without a model: its replies hang on the prompt and the seed alone.

Runs that were killed and runs that were not can so be compared word for word. Replies have the form that
the stages read; one in ten cannot be read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "replier"


class ReplyingServer:
    """Made by :func:`replying_server`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.num_requests = 0
        self.on_request: Callable[[int], None] = lambda count: None
        """Called with the number of requests so far before each is answered."""


@contextlib.contextmanager
def replying_server() -> Iterator[ReplyingServer]:
    """Run the server on a free port of this machine."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send({"object": "list", "data": [{"id": MODEL, "object": "model"}]})

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                server.num_requests += 1
                server.on_request(server.num_requests)
            text, finish_reason = reply_to(request["messages"], request["seed"])
            usage = {"prompt_tokens": 5, "completion_tokens": len(text.split()), "total_tokens": 0}
            message = {"role": "assistant", "content": text}
            choice = {"index": 0, "message": message, "finish_reason": finish_reason}
            self._send(
                {
                    "id": "x",
                    "object": "chat.completion",
                    "created": 0,
                    "model": MODEL,
                    "choices": [choice],
                    "usage": usage,
                }
            )

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        def _send(self, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            # Whoever asked may have been killed.
            with contextlib.suppress(ConnectionError):
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = ReplyingServer(f"http://127.0.0.1:{http.server_address[1]}/v1")
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def reply_to(messages: list[dict[str, str]], seed: int) -> tuple[str, str]:
    """Return the text and the finish reason of a reply."""
    digest = hashlib.sha256(json.dumps([messages, seed]).encode()).hexdigest()
    number = int(digest[:8], 16)
    shown = "\n".join(message["content"] for message in messages)
    if number % 10 == 0:
        return f"I would rather not, says {digest[:6]}", "length" if number % 20 == 0 else "stop"
    if "[The Start of Assistant A's Answer]" in shown:
        return f"Weighed as {digest[:6]}. [[{'AB'[number % 2]}]]", "stop"
    if "[User Question Modified]" in shown:
        return (
            f"[User Question Modified]\nWhat of {digest[:6]}?\n"
            f"[The start of Assistant's answer to the modified instruction]\nThat {digest[6:12]}.\n"
            "[The end of Assistant's answer to the modified instruction]"
        ), "stop"
    if "Category:" in shown:
        category = ("Knowledge and Reasoning", "Coding")[number % 3 == 0]
        return f"Category: {category}\nComplexity: {1 + number % 10}\nLength: (b)", "stop"

    return f"An answer, {digest[:12]}.", "stop"
