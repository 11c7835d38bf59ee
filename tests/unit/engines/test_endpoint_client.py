"""The key opens the door and shows up nowhere."""

from __future__ import annotations

import logging
import traceback

import pytest

from ste_fairseq2.engines.protocol import GenerationRequest, Prompt, Refusal, SamplingSettings
from ste_fairseq2.errors import ConfigError, EndpointAccessError, EngineError, SteError
from tests.unit.engines.conftest import Connect
from tests.unit.engines.scripted_server import DROP, Asked, Reply, ScriptedServer, completed

_KEY = "sk-not-to-be-seen-0123456789"

_REQUEST = GenerationRequest(
    id="r", prompt=Prompt(ids=(1, 2)), sampling=SamplingSettings(max_tokens=4), seed=1
)


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> str:
    """The key of the server, in the environment; all that is logged is kept."""
    monkeypatch.setenv("JUDGE_KEY", _KEY)
    caplog.set_level(logging.DEBUG)

    return _KEY


def _door(asked: Asked) -> Reply:
    given = asked.headers.get("Authorization", "")
    if given != f"Bearer {_KEY}":
        return Reply(status=401, body={"error": {"message": f"`{given}` is not {_KEY}"}})

    return completed(asked)


def test_the_key_of_the_named_variable_is_sent(
    server: ScriptedServer, connect: Connect, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # That of another server, which the library would send by itself.
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-server")
    server.answer = _door

    [result] = connect(api_key_env="JUDGE_KEY").generate([_REQUEST])

    assert result.request_id == "r"
    assert "another" not in str(server.asked[0].headers)


def test_a_server_that_wants_a_key_says_so_at_the_start(
    server: ScriptedServer, connect: Connect
) -> None:
    server.models = Reply(status=401, body={"error": "Unauthorized"})

    with pytest.raises(EndpointAccessError, match="asks for a key: set .* JUDGE_KEY"):
        connect(api_key_env="JUDGE_KEY")


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_is_not_named(
    server: ScriptedServer, connect: Connect, key: str, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    server.models = Reply(status=status, body={"error": {"message": f"Incorrect API key: {_KEY}"}})

    with pytest.raises(EndpointAccessError, match="refused the key in .* JUDGE_KEY") as info:
        connect(api_key_env="JUDGE_KEY")

    _assert_not_shown(info.value, caplog)


def test_a_key_that_is_refused_later_ends_the_run(
    server: ScriptedServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer = _door

    with pytest.raises(EndpointAccessError, match="asks for a key"):
        list(connect().generate([_REQUEST]))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody-else")
    with pytest.raises(EndpointAccessError, match="refused the key"):
        list(connect().generate([_REQUEST]))


@pytest.mark.parametrize(
    "answer",
    [
        Reply(status=500, body={"error": {"message": f"got {_KEY}"}}),
        Reply(status=402, body=f"got {_KEY}".encode()),
        Reply(status=404, body={"detail": [{"input": _KEY}]}),
        Reply(body=f"got {_KEY}".encode()),
        DROP,
    ],
)
def test_no_error_and_no_log_shows_the_key(
    server: ScriptedServer,
    connect: Connect,
    key: str,
    caplog: pytest.LogCaptureFixture,
    answer: Reply,
) -> None:
    server.answer = lambda asked: answer
    engine = connect(api_key_env="JUDGE_KEY", max_attempts=2)

    with pytest.raises((EngineError, ConfigError)) as info:
        list(engine.generate([_REQUEST]))

    _assert_not_shown(info.value, caplog)
    assert (
        _KEY not in f"{engine!r} {engine.description} {vars(engine)} {vars(engine._client)['_client']}"
    )


def test_no_refusal_shows_the_key(server: ScriptedServer, connect: Connect, key: str) -> None:
    server.answer = lambda asked: Reply(status=400, body={"error": {"message": f"got {_KEY}"}})

    [refusal] = connect(api_key_env="JUDGE_KEY").generate([_REQUEST])

    assert isinstance(refusal, Refusal)
    assert refusal.sentence == "was refused by the endpoint (HTTP 400: got ***)."


def test_the_libraries_do_not_log_requests(
    server: ScriptedServer, connect: Connect, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    list(connect(api_key_env="JUDGE_KEY").generate([_REQUEST]))

    assert not [record for record in caplog.records if record.name.startswith(("openai", "http"))]


@pytest.mark.parametrize("value", ["sk-two words", "sk-ä", "sk-a\nsk-b"])
def test_what_cannot_be_a_key_is_not_sent(
    server: ScriptedServer, connect: Connect, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", value)

    with pytest.raises(ConfigError, match="OPENAI_API_KEY, whose value cannot be a key") as info:
        connect()

    assert value not in str(info.value)


def test_blanks_around_a_key_do_not_matter(
    server: ScriptedServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_KEY", f" {_KEY}\n")
    server.answer = _door

    assert len(list(connect(api_key_env="JUDGE_KEY").generate([_REQUEST]))) == 1


def test_a_slash_behind_the_url_does_not_matter(server: ScriptedServer, connect: Connect) -> None:
    engine = connect(endpoint=f"{server.url}/")

    assert len(list(engine.generate([_REQUEST]))) == 1
    assert engine.description["url"] == server.url


def _assert_not_shown(error: SteError, caplog: pytest.LogCaptureFixture) -> None:
    assert _KEY not in "".join(traceback.format_exception(error)) + caplog.text
    # Nor in what hangs on to it unprinted, request headers among others.
    seen: BaseException | None = error
    while seen is not None:
        assert _KEY not in f"{seen!r} {vars(seen)}"
        assert not hasattr(seen, "request")
        seen = seen.__cause__ or seen.__context__
