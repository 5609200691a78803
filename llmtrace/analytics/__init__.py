"""Named questions about calls, each an Ibis expression written once and compiled for whatever engine is asked."""

from llmtrace.analytics.filters import UNTAGGED, Filter, parse_filter
from llmtrace.analytics.questions import QUESTIONS, Question, compile_expression, compile_question, find_question

__all__ = [
    "QUESTIONS",
    "UNTAGGED",
    "Filter",
    "Question",
    "compile_expression",
    "compile_question",
    "find_question",
    "parse_filter",
]
