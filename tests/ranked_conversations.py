"""Conversations in both forms that OpenAssistant publishes, made to order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Fields = dict[str, Any]

READY = "ready_for_export"


def message(name: str, role: str, text: str, *replies: Fields, **changes: Any) -> Fields:
    """A message of a tree; as in the exports, what is null may be absent."""
    fields = {
        "message_id": name,
        "user_id": "u",
        "created_date": "2023-02-05T14:23:50.983374+00:00",
        "text": text,
        "role": role,
        "lang": "en",
        "review_count": 3,
        "review_result": True,
        "deleted": False,
        "synthetic": False,
        "emojis": {"+1": 2},
        "labels": {"spam": {"value": 0.0, "count": 3}},
        **changes,
    }

    return fields | ({"replies": list(replies)} if replies else {})


def prompt(name: str, text: str, *replies: Fields, **changes: Any) -> Fields:
    return message(name, "prompter", text, *replies, **changes)


def answer(name: str, text: str, rank: float | None, *replies: Fields, **changes: Any) -> Fields:
    return message(name, "assistant", text, *replies, rank=rank, **changes)


def tree(root: Fields, state: str | None = READY) -> Fields:
    """A row of the tree form."""
    return {"message_tree_id": root["message_id"], "tree_state": state, "prompt": root}


def messages_of(trees: Sequence[Mapping[str, Any]]) -> list[Fields]:
    """The same conversations in the flat form, parents first."""
    return [row for one in trees for row in _flat(one["prompt"], None, one)]


def _flat(node: Fields, parent: str | None, whole: Mapping[str, Any]) -> Iterator[Fields]:
    fields = {name: value for name, value in node.items() if name != "replies"}
    yield fields | {
        "parent_id": parent,
        "message_tree_id": whole["message_tree_id"],
        "tree_state": whole["tree_state"],
    }
    for reply in node.get("replies", ()):
        yield from _flat(reply, node["message_id"], whole)


def ranked_trees(number: int) -> list[Fields]:
    """So many prompts with three answers of ranks 0, 1 and 2, and later turns behind the best."""
    return [
        tree(
            prompt(
                f"p{k}",
                f"Question {k}?",
                answer(
                    f"p{k}-good",
                    f"Good answer {k}.",
                    0,
                    prompt(f"p{k}-more", "And then?", answer(f"p{k}-then", "Then this.", 0)),
                ),
                answer(f"p{k}-fair", f"Fair answer {k}.", 1),
                answer(f"p{k}-bad", f"Bad answer {k}.", 2),
            )
        )
        for k in range(number)
    ]
