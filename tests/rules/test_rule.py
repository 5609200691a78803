"""The first rule whose patterns all fit names the feature of a call that has none."""

import pytest
from samples import make_call

from llmtrace.model import Call, Origin, Request
from llmtrace.rules import Found, Rules, is_ruled
from llmtrace.rules.reading import parse_rules


def rules(text: str) -> Rules:
    return parse_rules(text, "llmtrace.toml")


def call(feature: str | None = None, **changes: object) -> Call:
    source = "code" if feature is not None else None
    return make_call(1, **{"feature": feature, "feature_source": source, **changes})


def feature(of: Rules, made: Call, service: str | None = "shop", environment: str | None = None) -> str | None:
    found = of.find(made, service, environment)
    return None if found is None else found.feature


def test_the_first_rule_that_fits_names_the_feature_and_is_named_as_its_source() -> None:
    mine = rules(
        """
        [[rules]]
        name = "admin"
        feature = "back-office"
        route = "/search/admin*"

        [[rules]]
        feature = "search"
        route = "/search*"
        """
    )
    assert mine.find(call(origin=Origin(route="/search/admin/users")), None, None) == Found("back-office", "rule:admin")
    assert mine.find(call(origin=Origin(route="/search/{q}")), None, None) == Found("search", "rule")
    assert mine.find(call(origin=Origin(route="/items")), None, None) is None
    assert mine.find(call(), None, None) is None
    assert [is_ruled(s) for s in ("rule:admin", "rule", "ruler", "code", None)] == [True, True, False, False, False]


def test_a_feature_that_somebody_named_wins_over_every_rule() -> None:
    mine = rules('[[rules]]\nfeature = "by rule"\nmodel = "*"\n')
    assert mine.apply(call(), None, None).feature == "by rule"
    named = call("by name")
    assert mine.apply(named, None, None) is named
    assert mine.attributes(named, None, None) == {}


@pytest.mark.parametrize(
    ("condition", "made", "fits"),
    [
        ('task = "jobs.*"', call(origin=Origin(task="jobs.mail")), True),
        ('task = "jobs.*"', call(origin=Origin(task="xjobs.mail")), False),
        ('task = "jobs"', call(origin=Origin(task="jobs.mail")), False),
        ('command = "mycli s?nc"', call(origin=Origin(command="mycli sync")), True),
        ('module = ["a.*", "b.*"]', call(origin=Origin(module="b.x")), True),
        ('function = "Search.run"', call(origin=Origin(function="Search.run")), True),
        ('test = "tests/eval/*"', call(origin=Origin(test="tests/eval/test_a.py::test_b[x-1]")), True),
        ('test = "*::test_b[x-1]"', call(origin=Origin(test="tests/eval/test_a.py::test_b[x-1]")), True),
        ('route = "/items/{id}"', call(origin=Origin(route="/items/{id}")), True),
        ('route = "/items/{id}"', call(origin=Origin(route="/ITEMS/{id}")), False),
        ('service = "shop"', call(), True),
        ('service = "shop"\nmodel = "gpt-5*"', call(), False),
        ('model = "gpt-4o-2024*"', call(), True),
        ('provider = "openai"', call(), True),
        ('provider = "openai"', call(request=Request("anthropic", "chat", "messages")), False),
        ('environment = "prod"', call(), False),
        ('tag.team = "search-*"', call(tags={"team": "search-eu"}), True),
        ('tag.team = "search-*"', call(tags={"crew": "search-eu"}), False),
        ("tag = {team = 'a', 'the.tier' = 'b'}", call(tags={"team": "a", "the.tier": "b"}), True),
        ("tag = {team = 'a', 'the.tier' = 'b'}", call(tags={"team": "a"}), False),
    ],
)
def test_a_pattern_fits_the_whole_text_with_stars_and_question_marks(condition: str, made: Call, fits: bool) -> None:
    mine = rules(f'[[rules]]\nfeature = "f"\n{condition}\n')
    assert (feature(mine, made) == "f") is fits


def test_a_feature_may_be_made_of_what_the_stars_stand_for() -> None:
    mine = rules('[[rules]]\nfeature = "{2} of {1}"\nroute = "/*/v1/x"\nmodule = ["app.*", "lib.*"]\n')
    assert feature(mine, call(origin=Origin(route="/shop/v1/x", module="lib.mail"))) == "mail of shop"
    empty = rules('[[rules]]\nfeature = "{1}"\nroute = "/x*"\n\n[[rules]]\nfeature = "rest"\nroute = "*"\n')
    assert feature(empty, call(origin=Origin(route="/x"))) == "rest", "an empty name is none"
    long = rules('[[rules]]\nfeature = "{1}"\nroute = "*"\n')
    assert len(feature(long, call(origin=Origin(route="r" * 250))) or "") == 128


def test_no_pattern_can_make_matching_slow() -> None:
    mine = rules(f'[[rules]]\nfeature = "f"\nroute = "{"*a" * 30}b"\n')
    assert feature(mine, call(origin=Origin(route="a" * 250))) is None
