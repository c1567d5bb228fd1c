"""Names that columns have in users' files."""

from __future__ import annotations

IDS = (
    "id", "custom_id", "question_id", "problem_id", "unique_id", "uid", "qid", "doc_id", "task_id", "idx", "index",
)  # fmt: skip
QUESTIONS = ("question", "problem", "prompt", "query", "content", "instruction", "input")
RESPONSES = (
    "response", "output", "responses", "outputs", "generated_text", "completions", "completion", "generation",
    "generations", "prediction_text",
)  # fmt: skip
SEVERAL = ("responses", "outputs", "completions", "generations")
"""May be lists only."""
CONVERSATIONS = ("messages", "conversations")
GOLDS = ("gold", "answer", "target", "solution", "ground_truth", "reference_answer", "expected_answer")

KNOWN = frozenset((*IDS, *QUESTIONS, *RESPONSES, *CONVERSATIONS, *GOLDS))
