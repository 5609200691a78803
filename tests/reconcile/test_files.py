"""Bills from files, compared by the command as people run it."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import billing as b
import pytest
from commands import llmtrace_here as llmtrace

from llmtrace.model import Request
from llmtrace.reconcile.compare import match_model


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("home")
    b.track(place)
    return place


def reconcile(
    home: Path, tmp_path: Path, *pages: dict[str, Any], code: int, more: tuple[str, ...] = ()
) -> dict[str, Any]:
    files = []
    for number, body in enumerate(pages):
        (path := tmp_path / f"bill-{number}.json").write_text(json.dumps(body))
        files += ["--file", str(path)]
    done = llmtrace("reconcile", *b.PERIOD, *files, "--json", *more, home=home)
    assert done.returncode == code, done.stderr + done.stdout
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def causes(answer: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(r["day"][8:], r["token_class"], c["name"]) for r in answer["rows"] for c in r["causes"]}


EQUAL = b.page([[b.used(93_000, 9_300)]] * 3)
EQUAL_COSTS = b.page([b.costs("0.2325", "0.093")] * 3)


def test_equal_bills_reconcile_exactly(home: Path, tmp_path: Path) -> None:
    answer = reconcile(home, tmp_path, EQUAL, EQUAL_COSTS, code=0, more=("--tolerance", "0"))
    assert answer["agrees"] is True
    assert len(answer["rows"]) == 6
    assert {r["quantity_drift"] for r in answer["rows"]} == {"0.000000"}
    assert (answer["total"]["tracked_usd"], answer["total"]["coverage"]) == ("0.976500000000", "1.000000")
    assert Decimal(answer["total"]["drift_usd"]) == 0


def test_calls_of_a_service_not_instrumented_are_named_with_the_project_that_paid(home: Path, tmp_path: Path) -> None:
    other = b.used(7_000, 700, project="proj_search")
    bill = b.page([[b.used(93_000, 9_300, project="proj_shop"), other]] * 3)
    answer = reconcile(home, tmp_path, bill, b.page([b.costs("0.25", "0.1")] * 3), code=1)
    assert causes(answer) == {(d, c, "calls_outside") for d in ("10", "11", "12") for c in ("input_uncached", "output")}
    assert answer["rows"][0]["coverage"] == "0.930000"
    text = answer["rows"][0]["causes"][0]["evidence"]
    assert "7,000 tokens more are billed than tracked (7.0% of the bill)" in text
    assert "93 requests" in text
    assert "proj_search was billed exactly that" in text


def test_a_gap_within_the_tolerance_is_none(home: Path, tmp_path: Path) -> None:
    bill = b.page([[b.used(100_000, 10_000)]] * 3)
    reconcile(home, tmp_path, bill, code=1, more=("--tolerance", "6"))
    reconcile(home, tmp_path, bill, code=0, more=("--tolerance", "7"))


def test_a_price_change_is_told_with_the_day_it_begins(home: Path, tmp_path: Path) -> None:
    changed = b.page([b.costs("0.2325", "0.093"), b.costs("0.279", "0.093"), b.costs("0.279", "0.093")])
    answer = reconcile(home, tmp_path, EQUAL, changed, code=1)
    assert causes(answer) == {("11", "input_uncached", "price_change"), ("12", "input_uncached", "price_change")}
    evidence = [c["evidence"] for r in answer["rows"] for c in r["causes"]]
    assert (
        evidence == ["billed at $3 a million tokens, tracked at $2.5, since 2026-11-11; before, both sides agree"] * 2
    )


def test_another_price_on_every_day_is_a_price_of_your_own(home: Path, tmp_path: Path) -> None:
    answer = reconcile(home, tmp_path, EQUAL, b.page([b.costs("0.2", "0.08")] * 3), code=1)
    assert {name for _, _, name in causes(answer)} == {"price"}


def test_another_split_of_the_input_is_the_cache(home: Path, tmp_path: Path) -> None:
    answer = reconcile(home, tmp_path, b.page([[b.used(93_000, 9_300, input_cached_tokens=40_000)]] * 3), code=1)
    assert {(c, n) for _, c, n in causes(answer)} == {("input_uncached", "cache"), ("input_cached", "cache")}


@pytest.mark.parametrize(
    ("more", "name"), [({"batch": True}, "batch"), ({"service_tier": "flex"}, "service_tier")], ids=["batch", "flex"]
)
def test_as_many_tokens_of_another_tier_are_told(more: dict[str, Any], name: str, home: Path, tmp_path: Path) -> None:
    answer = reconcile(
        home, tmp_path, b.page([[b.used(93_000, 9_300, **more)]] * 3), b.page([b.costs("0.125", "0.05")] * 3), code=1
    )
    assert {n for _, _, n in causes(answer)} == {name}


def test_storage_is_billed_beside_tokens(home: Path, tmp_path: Path) -> None:
    bill = b.page([[*b.costs("0.2325", "0.093"), b.cost("vector storage", "2")]] * 3)
    answer = reconcile(home, tmp_path, EQUAL, bill, code=1)
    assert {(c, n) for _, c, n in causes(answer)} == {("vector storage", "beside_tokens")}


def test_dollars_alone_do_not_tell_calls_from_prices(home: Path, tmp_path: Path) -> None:
    answer = reconcile(home, tmp_path, b.page([b.costs("0.3", "0.12")] * 3), code=1)
    assert {n for _, _, n in causes(answer)} == {"no_quantities"}


OPENAI_USAGE = """\
start_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,user_id,api_key_id,model,batch,\
service_tier,input_tokens,output_tokens,input_cached_tokens,input_uncached_tokens,input_audio_tokens
1794268800,1794355200,2026-11-10T00:00:00+00:00,2026-11-11T00:00:00+00:00,proj_shop,93.0,user-1,key_1,\
gpt-4o-2024-08-06,FALSE,default,93000.0,9300.0,0.0,93000.0,0.0
1794355200,1794441600,2026-11-11T00:00:00+00:00,2026-11-12T00:00:00+00:00,proj_shop,93.0,user-1,key_1,\
gpt-4o-2024-08-06,FALSE,default,93000.0,9300.0,0.0,93000.0,0.0
1794441600,1794528000,2026-11-12T00:00:00+00:00,2026-11-13T00:00:00+00:00,,,,,,,,,,,,
"""
OPENAI_COSTS = """\
start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,line_item,project_id,organization_id
1794268800,1794355200,2026-11-10T00:00:00+00:00,2026-11-11T00:00:00+00:00,0.2325,usd,\
"gpt-4o-2024-08-06, input",proj_shop,org-1
1794268800,1794355200,2026-11-10T00:00:00+00:00,2026-11-11T00:00:00+00:00,0.0930000000000001,usd,\
"gpt-4o-2024-08-06, output",proj_shop,org-1
1794355200,1794441600,2026-11-11T00:00:00+00:00,2026-11-12T00:00:00+00:00,0.2325,usd,\
"gpt-4o-2024-08-06, input_tokens",proj_shop,org-1
1794355200,1794441600,2026-11-11T00:00:00+00:00,2026-11-12T00:00:00+00:00,0.093,usd,\
"gpt-4o-2024-08-06, output_tokens",proj_shop,org-1
1794441600,1794528000,2026-11-12T00:00:00+00:00,2026-11-13T00:00:00+00:00,,,,,
"""
ANTHROPIC_USAGE = """\
usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,\
usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,\
usage_output_tokens,web_search_count,inference_geo,speed
2026-11-10,claude-haiku-4-5-20251001,shop-key,Default,standard,≤ 200k,93000,0,0,0,9300,0,not_available,
2026-11-11,claude-haiku-4-5-20251001,shop-key,Default,standard,≤ 200k,93000,0,0,0,9300,0,not_available,
"""
ANTHROPIC_COSTS = """\
usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type,\
inference_geo,speed,api_key_id,api_key_status
2026-11-10,Claude Haiku 4.5,Default,shop-key,message,≤ 200k,input_no_cache,0.09,0.09,token,global,,apikey_1,active
2026-11-10,Claude Haiku 4.5,Default,shop-key,message,≤ 200k,output,0.05,0.05,token,global,,apikey_1,active
2026-11-11,Claude Haiku 4.5,Default,shop-key,message,≤ 200k,input_no_cache,0.09,0.09,token,global,,apikey_1,active
2026-11-11,Claude Haiku 4.5,Default,shop-key,message,≤ 200k,output,0.05,0.05,token,global,,apikey_1,active
"""


def compare_files(
    home: Path, tmp_path: Path, *texts: str, code: int, more: tuple[str, ...] = (), encoding: str = "utf-8"
) -> str:
    files = []
    for number, text in enumerate(texts):
        (path := tmp_path / f"bill-{number}.csv").write_text(text, encoding=encoding)
        files += ["--file", str(path)]
    period = ("--provider", "openai", "--since", "2026-11-10", "--until", "2026-11-12", "--json")
    done = llmtrace("reconcile", *period, *files, *more, home=home)
    assert done.returncode == code, done.stderr + done.stdout
    return done.stdout if code < 2 else done.stderr


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("separator", [",", "\t"], ids=["csv", "tsv"])
def test_openais_exports_are_read(encoding: str, separator: str, home: Path, tmp_path: Path) -> None:
    usage, costs = OPENAI_USAGE, OPENAI_COSTS
    if separator == "\t":
        usage = usage.replace(",", "\t")
        costs = costs.replace(",", "\t").replace("\t ", ", ").replace('"', "")
    answer = json.loads(compare_files(home, tmp_path, usage, costs, code=0, encoding=encoding))
    assert [(r["token_class"], r["billed_quantity"]) for r in answer["rows"]] == [
        ("input_uncached", "93000.0"),
        ("output", "9300.0"),
    ] * 2
    assert answer["total"]["coverage"] == "1.000000"
    assert answer["rows"][0]["scopes"] == {"proj_shop": "93000.0"}


def test_anthropics_exports_are_read_with_names_for_people_and_cents(tmp_path: Path) -> None:
    model = "claude-haiku-4-5-20251001"
    used = {"input_tokens": 1000, "output_tokens": 100}
    b.track(tmp_path / "home", used=used, model=model, request=Request("anthropic", "chat", "messages", model=model))
    # 93,000 and 9,300 tokens at $1 and $5 a million are $0.093 and $0.0465, which the export rounds to cents.
    text = compare_files(
        tmp_path / "home",
        tmp_path,
        ANTHROPIC_USAGE,
        ANTHROPIC_COSTS,
        code=0,
        more=("--provider", "anthropic"),
    )
    assert [(r["model"], r["billed_quantity"], r["billed_usd"]) for r in json.loads(text)["rows"]] == [
        (model, "93000", "0.09"),
        (model, "9300", "0.05"),
    ] * 2


def test_quantities_of_costs_are_taken_where_there_is_no_usage_report(home: Path, tmp_path: Path) -> None:
    counted = [
        {**line, "quantity": quantity, "quantity_unit": unit}
        for line, quantity, unit in zip(b.costs("0.25", "0.1"), (100, 10_000), ("1000_tokens", "tokens"), strict=True)
    ]
    answer = reconcile(home, tmp_path, b.page([counted] * 3), code=1)
    assert {n for _, _, n in causes(answer)} == {"calls_outside"}
    both = reconcile(home, tmp_path, b.page([[b.used(100_000, 10_000)]] * 3), b.page([counted] * 3), code=1)
    assert both["rows"][0]["billed_quantity"] == "100000"


def test_a_line_item_that_is_not_understood_is_not_taken_for_storage(home: Path, tmp_path: Path) -> None:
    bill = b.page([[*b.costs("0.2325", "0.093"), b.cost(f"{b.MODEL}, thinking pad", "2")]] * 3)
    answer = reconcile(home, tmp_path, EQUAL, bill, code=1)
    assert {n for _, _, n in causes(answer)} == {"unexplained"}
    assert "is not understood" in answer["rows"][-1]["causes"][0]["evidence"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,price\nlamp,3\n", "it is no export of usage or costs of openai"),
        (OPENAI_COSTS.replace("0.2325", "a lot"), "line 2: amount is 'a lot', which is no number"),
        (OPENAI_COSTS.replace(",usd,", ",eur,"), "line 2: an amount is in eur; only US dollars can be compared"),
        (OPENAI_USAGE.replace("1794268800,", "yesterday,", 1), "line 2: start_time is 'yesterday', which is no day"),
        ('{"data": [', "it is no JSON"),
        ('{"hello": true}', "it is no report of openai"),
    ],
    ids=["another table", "amount", "currency", "day", "broken JSON", "another JSON"],
)
def test_a_file_that_is_no_bill_is_refused_with_the_place(text: str, said: str, home: Path, tmp_path: Path) -> None:
    error = compare_files(home, tmp_path, text, code=2)
    assert "bill-0.csv: " in error
    assert said in error


def test_models_are_matched_with_or_without_their_date_and_not_by_version() -> None:
    assert match_model("gpt-4o", ["gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18"]) == "gpt-4o-2024-08-06"
    assert match_model("claude-haiku-4-5-20251001", ["claude-haiku-4-5"]) == "claude-haiku-4-5"
    assert match_model("claude-opus-4", ["claude-opus-4-1", "claude-opus-4-1-20250805"]) == "claude-opus-4"
    assert match_model("gpt-4o", ["gpt-4o-2024-08-06", "gpt-4o-2024-11-20"]) == "gpt-4o"
