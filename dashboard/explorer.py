"""What the cost page is to show: a metric by groups over time, chosen in a row of its own and kept in the address."""

from dataclasses import dataclass

import streamlit as st

from .answers import ask
from .format import code
from .metrics import METRICS, SPEND, Metric
from .period import AUTO, BUCKETS, bucket_of
from .scope import Scope

GROUPS = ("feature", "model", "provider", "service", "environment", "user", "tenant", "prompt_version")
TAG = "tag:"
TOPS = (5, 8, 15, 30, 100)
DEFAULT_TOP = 8


@dataclass(frozen=True, slots=True)
class Choice:
    """What the explorer shows: a metric, by which groups, how many, in which buckets, and whether they add up."""

    metric: Metric
    by: str
    top: int
    bucket: str
    is_cumulative: bool


def choose(scope: Scope) -> Choice:
    """Draw the row; what it says is to be shown of SCOPE."""
    tags = tuple(f"{TAG}{row['key']}" for row in ask(scope.stamp, "tag_keys", {}))
    labels = {m.label: m for m in METRICS}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="explorer"):
        label = st.segmented_control(
            "Show", list(labels), default=SPEND.label, required=True, key="metric", bind="query-params", wrap=False,
        )  # fmt: skip
        by = st.selectbox("Group by", (*GROUPS, *tags), key="group", bind="query-params", width=160)
        top = st.selectbox("Top", TOPS, index=TOPS.index(DEFAULT_TOP), key="top", bind="query-params", width=80)
        wanted = st.selectbox("Per", (AUTO, *BUCKETS), key="bucket", bind="query-params", width=95)
        metric = labels.get(label or "", SPEND)
        is_cumulative = st.toggle("Cumulative", key="cumulative", bind="query-params", disabled=not metric.is_sum)
    bucket = bucket_of(scope.period, wanted)
    if wanted not in (AUTO, bucket):
        st.markdown(f":small[Per {bucket}, because {scope.period.title} is too long to show per {wanted}.]")
    return Choice(metric, by, top, bucket, is_cumulative and metric.is_sum)


def kind_of(by: str) -> str:
    """What the groups BY are called, as Markdown."""
    return f"tag {code(by.removeprefix(TAG))}" if by.startswith(TAG) else by.replace("_", " ")
