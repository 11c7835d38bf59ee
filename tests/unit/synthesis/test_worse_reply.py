"""What is read as a worse response, and what is not; the expected values are written out by hand."""

from __future__ import annotations

import pytest

from ste_fairseq2.engines.protocol import GenerationResult
from ste_fairseq2.prompts import load_prompt
from ste_fairseq2.records import Response
from ste_fairseq2.synthesis.replies import Unusable
from ste_fairseq2.synthesis.worse_reply import Reading, WorseReply, read_related, read_rewrite

RESPONSE = Response("r", "Which is the largest planet?", "It is Jupiter.")

RELATED = """\
[User Question Modified]
Which is the second largest planet?
[The start of Assistant's answer to the modified instruction]
It is Saturn.
[The end of Assistant's answer to the modified instruction]
"""


def _result(text: str, finish_reason: str = "stop") -> GenerationResult:
    return GenerationResult(
        request_id="r",
        text=text,
        finish_reason=finish_reason,
        num_prompt_tokens=1,
        num_output_tokens=1,
    )


def related(text: str, finish_reason: str = "stop") -> Reading:
    return read_related(RESPONSE, _result(text, finish_reason))


def rewrite(text: str, finish_reason: str = "stop") -> Reading:
    return read_rewrite(RESPONSE, _result(text, finish_reason))


class TestRelated:
    @pytest.mark.parametrize(
        "text",
        [
            RELATED,
            "Sure, here it is.\n" + RELATED + "\nI hope this helps.",
            RELATED.replace("'", "\u2019"),
            RELATED.replace("The start of", "the  START of"),
            "<think>[User Question Modified] no\n[The start of" + "</think>" + RELATED,
            RELATED + RELATED.replace("Saturn", "Uranus"),
        ],
    )
    def test_marks_are_found_as_models_write_them(self, text: str) -> None:
        assert related(text) == WorseReply("It is Saturn.", "Which is the second largest planet?")

    @pytest.mark.parametrize("line", range(5))
    def test_every_part_must_be_there(self, line: int) -> None:
        lines = RELATED.splitlines()
        text = "\n".join(lines[:line] + lines[line + 1 :])

        assert related(text) == Unusable("unparseable")

    def test_marks_in_another_order_are_not_read(self) -> None:
        lines = RELATED.splitlines()
        assert related("\n".join(lines[2:] + lines[:2])) == Unusable("unparseable")

    def test_a_reply_that_was_cut_is_a_failure_of_its_own(self) -> None:
        assert related(RELATED[:150], "length") == Unusable("truncated")
        # What was cut came after everything that counts.
        assert isinstance(related(RELATED + "I hope", "length"), WorseReply)

    def test_the_same_instruction_again_makes_no_worse_response(self) -> None:
        text = RELATED.replace("second largest", "LARGEST")
        assert related(text) == Unusable("same_instruction")

    def test_a_response_that_equals_the_baseline_is_not_worse(self) -> None:
        assert related(RELATED.replace("Saturn", " jupiter")) == Unusable("same_as_baseline")

    def test_nothing_at_all(self) -> None:
        assert related("") == Unusable("unparseable")


class TestRewrite:
    def test_the_answer_stands_between_its_marks(self) -> None:
        text = "[The start of the worse answer]\nIt is Mars,\n\nI think.\n[The end of the worse answer]"
        assert rewrite(text) == WorseReply("It is Mars,\n\nI think.", None)

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("It is Mars.", "unparseable"),
            ("[The start of the worse answer]\nIt is Mars.", "unparseable"),
            ("[The start of the worse answer]\n\n[The end of the worse answer]", "unparseable"),
            (
                "[The start of the worse answer]It is Jupiter.[The end of the worse answer]",
                "same_as_baseline",
            ),
        ],
    )
    def test_what_is_not_read(self, text: str, reason: str) -> None:
        assert rewrite(text) == Unusable(reason)


@pytest.mark.parametrize(("name", "read"), [("worse-related", related), ("worse-rewrite", rewrite)])
def test_the_shipped_prompts_ask_for_the_marks_that_are_read(name: str, read: object) -> None:
    """The form that a prompt shows is itself a reply that can be read."""
    [message] = load_prompt(name).messages
    form = message.content.partition("Reply in exactly this form")[2]
    reading = related(form) if read is related else rewrite(form)

    assert isinstance(reading, WorseReply)
    assert reading.worse in ("the answer to the new request", "the worse answer")
