from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ste_fairseq2.chat import ChatRenderer
from ste_fairseq2.engines.prompting import TokenPrompter
from ste_fairseq2.engines.protocol import GenerationRequest, SamplingSettings
from ste_fairseq2.errors import ChatTemplateError, ConfigError
from ste_fairseq2.prompts import load_prompt
from ste_fairseq2.records import JudgeInput, Message
from ste_fairseq2.synthesis.judge_inputs import JudgeTask, RenderedInput
from ste_fairseq2.synthesis.judgement import Judgement
from ste_fairseq2.synthesis.judging import JudgePlan, judging_tasks
from ste_fairseq2.synthesis.tasks import finish_tasks
from ste_fairseq2.verdicts import Verdict

_SAMPLED = SamplingSettings(temperature=0.7)


def _tasks(count: int, answer: str = "yes", label: Verdict | None = None) -> list[JudgeTask]:
    return [
        JudgeTask(
            n, f"p{n}", "x.jsonl", n + 1, JudgeInput(f"p{n}", f"question {n}", answer, "no", label)
        )
        for n in range(count)
    ]


def _plan(**fields: Any) -> JudgePlan:
    values: dict[str, Any] = {"template": load_prompt("judge"), "sampling": SamplingSettings()}
    return JudgePlan(**(values | fields))


def _judge(
    tasks: list[JudgeTask], plan: JudgePlan, engine: Any, renderer: ChatRenderer
) -> tuple[list[Judgement], list[tuple[str, str, str]]]:
    prompter = TokenPrompter(renderer)
    finished = list(
        finish_tasks((t for task in tasks for t in judging_tasks(task, plan, prompter)), engine)
    )
    judgements = [task.judgement() for task in finished if task.row is not None]
    return judgements, [(t.id, t.reason, t.detail["sentence"]) for t in finished if t.row is None]


def _always(text: str) -> Any:
    return lambda request: (text, "stop")


class TestOneSample:
    def test_each_task_is_judged_once(self, scripted_engine: Any, renderer: ChatRenderer) -> None:
        judgements, aside = _judge(_tasks(7), _plan(), scripted_engine(_always("[[A]]")), renderer)

        assert sorted((j.id, j.index) for j in judgements) == [(f"p{n}", n) for n in range(7)]
        assert {j.verdict for j in judgements} == {Verdict.A}
        assert not aside

    def test_the_row_holds_the_prompt_that_was_shown(
        self, scripted_engine: Any, renderer: ChatRenderer
    ) -> None:
        engine = scripted_engine(_always("[[B]]"))

        [judgement], _ = _judge(_tasks(1), _plan(), engine, renderer)

        [request] = engine.requests
        assert judgement.prompt == renderer.decode(request.prompt_ids)
        assert "[User Question]\nquestion 0\n" in judgement.prompt
        assert judgement.num_prompt_tokens == len(request.prompt_ids)
        assert judgement.prompt_digest == load_prompt("judge").digest

    def test_failures_are_verdicts_of_their_own(
        self, scripted_engine: Any, renderer: ChatRenderer
    ) -> None:
        cut, _ = _judge(_tasks(1), _plan(), scripted_engine(lambda _: ("so", "length")), renderer)
        mute, _ = _judge(_tasks(1), _plan(), scripted_engine(_always("so")), renderer)

        assert (cut[0].verdict, mute[0].verdict) == (Verdict.TRUNCATED, Verdict.UNPARSEABLE)

    def test_rendered_prompts_are_shown_as_they_are(
        self, scripted_engine: Any, renderer: ChatRenderer
    ) -> None:
        text = "<|begin_of_text|><|begin_of_text|>Judge!<|eot_id|>"
        engine = scripted_engine(_always("[[A]]"))
        task = JudgeTask(0, "p", "x.jsonl", 1, RenderedInput("p", text, None, {}))

        [judgement], _ = _judge([task], _plan(template=None), engine, renderer)

        assert renderer.decode(engine.requests[0].prompt_ids) == "<|begin_of_text|>Judge!<|eot_id|>"
        assert judgement.prompt_digest is None


class TestBothOrders:
    def test_answers_and_label_change_places(self, scripted_engine: Any, renderer: ChatRenderer) -> None:
        engine = scripted_engine(_always("[[A]]"))

        judgements, _ = _judge(_tasks(1, label=Verdict.A), _plan(both_orders=True), engine, renderer)

        by_order = {j.order: j for j in judgements}
        assert {j.id for j in judgements} == {"p0:0_1", "p0:1_0"}
        assert {j.pair_id for j in judgements} == {"p0"}
        assert by_order["0_1"].label is Verdict.A
        assert by_order["1_0"].label is Verdict.B
        assert "Assistant A's Answer]\nyes\n" in by_order["0_1"].prompt
        assert "Assistant B's Answer]\nyes\n" in by_order["1_0"].prompt


class TestSeveralSamples:
    def test_samples_have_seeds_of_their_own(self, scripted_engine: Any, renderer: ChatRenderer) -> None:
        engine = scripted_engine(_always("[[A]]"))

        _judge(_tasks(2), _plan(samples=3, sampling=_SAMPLED), engine, renderer)

        assert len({request.seed for request in engine.requests}) == len(engine.requests)

    def test_seeds_depend_on_nothing_but_the_record(
        self, scripted_engine: Any, renderer: ChatRenderer
    ) -> None:
        plan = _plan(samples=3, sampling=_SAMPLED)
        forward, backward = (scripted_engine(_always("[[A]]")) for _ in range(2))

        _judge(_tasks(4), plan, forward, renderer)
        _judge(_tasks(4)[::-1], plan, backward, renderer)

        assert {r.id: r.seed for r in forward.requests} == {r.id: r.seed for r in backward.requests}

    def test_no_more_are_drawn_than_settle_the_vote(
        self, scripted_engine: Any, renderer: ChatRenderer
    ) -> None:
        engine = scripted_engine(_always("[[B]]"))

        judgements, _ = _judge(_tasks(5), _plan(samples=9, sampling=_SAMPLED), engine, renderer)

        assert len(engine.requests) == 5 * 5
        assert {(j.verdict, j.confidence) for j in judgements} == {(Verdict.B, 1.0)}

    def test_the_verdict_is_that_of_all_samples(
        self, scripted_engine: Any, renderer: ChatRenderer
    ) -> None:
        """The answer hangs on the seed alone, so both runs would draw the same samples."""

        def answer(request: GenerationRequest) -> tuple[str, str]:
            return (("[[A]]", "[[B]]", "[[A]]", "none")[request.seed % 4], "stop")

        plans = [_plan(samples=8, sampling=_SAMPLED, stop_when_settled=stop) for stop in (True, False)]
        engines = [scripted_engine(answer) for _ in plans]
        verdicts = [
            {j.id: j.verdict for j in _judge(_tasks(30), plan, engine, renderer)[0]}
            for plan, engine in zip(plans, engines, strict=True)
        ]

        assert verdicts[0] == verdicts[1]
        assert len(set(verdicts[0].values())) > 1
        assert len(engines[1].requests) == 30 * 8
        assert len(engines[0].requests) < 30 * 8

    def test_greedy_samples_are_refused(self) -> None:
        with pytest.raises(ConfigError, match="all the same at temperature 0"):
            _plan(samples=3)


class TestSettingAside:
    def test_a_prompt_longer_than_the_model_is_not_asked(
        self, scripted_engine: Any, renderer: ChatRenderer
    ) -> None:
        engine = scripted_engine(_always("[[A]]"), max_model_len=900)
        tasks = [
            *_tasks(1),
            JudgeTask(1, "long", "x.jsonl", 2, JudgeInput("long", "q", "word " * 900, "b")),
        ]

        judgements, aside = _judge(tasks, _plan(both_orders=True), engine, renderer)

        assert {j.pair_id for j in judgements} == {"p0"}
        assert {item[:2] for item in aside} == {("long:0_1", "too_long"), ("long:1_0", "too_long")}
        assert all("but the model takes 900 with the answer" in item[2] for item in aside)

    def test_a_pair_that_the_template_cannot_show_is_not_asked(
        self, scripted_engine: Any, renderer: ChatRenderer
    ) -> None:
        class Picky(ChatRenderer):
            def render_prompt(self, messages: Sequence[Message]) -> list[int]:
                if "question 1" in messages[-1].content:
                    raise ChatTemplateError("it changes what the user message says.")
                return super().render_prompt(messages)

        engine = scripted_engine(_always("[[A]]"))

        judgements, aside = _judge(_tasks(2), _plan(), engine, Picky(renderer.tokenizer))

        assert [j.id for j in judgements] == ["p0"]
        assert [item[:2] for item in aside] == [("p1", "not_renderable")]
