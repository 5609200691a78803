"""A run in which a test was skipped fails, unless data from outside was missing."""

import pytest

CONFTEST = "from skipping import pytest_make_collect_report, pytest_runtest_makereport"


def outcomes(pytester: pytest.Pytester, test: str) -> tuple[dict[str, int], str]:
    """What became of a run with nothing but TEST, and what it printed."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    return result.parseoutcomes(), result.stdout.str()


@pytest.mark.parametrize("leave", ["external data: none here", "external data:none"])
@pytest.mark.parametrize(
    "test",
    [
        "import pytest\ndef test_it(): pytest.skip('{}')",
        "import pytest\n@pytest.mark.skip(reason='{}')\ndef test_it(): pass",
        "import pytest\n@pytest.mark.skipif(True, reason='{}')\ndef test_it(): pass",
        "import pytest\npytestmark = pytest.mark.skipif(True, reason='{}')\n"
        "@pytest.mark.parametrize('x', [])\ndef test_it(x): pass",
        "import pytest\n@pytest.fixture\ndef data(): pytest.skip('{}')\ndef test_it(data): pass",
        "import pytest\npytest.skip('{}', allow_module_level=True)",
    ],
    ids=["call", "mark", "condition", "condition of a module", "fixture", "module"],
)
def test_a_test_may_be_skipped_for_want_of_external_data_alone(
    pytester: pytest.Pytester, test: str, leave: str
) -> None:
    assert outcomes(pytester, test.format(leave))[0] == {"skipped": 1}
    found, printed = outcomes(pytester, test.format("not on this machine"))
    assert {"skipped", "passed"}.isdisjoint(found)
    assert found.get("failed", 0) + found.get("errors", 0) == 1
    assert "was skipped: not on this machine" in printed


def test_a_missing_package_is_no_leave(pytester: pytest.Pytester) -> None:
    found, printed = outcomes(pytester, "import pytest\ndef test_it(): pytest.importorskip('no_such_package')")
    assert found == {"failed": 1}
    assert "no_such_package" in printed


def test_a_test_that_has_no_cases_fails(pytester: pytest.Pytester) -> None:
    found, printed = outcomes(pytester, "import pytest\n@pytest.mark.parametrize('x', [])\ndef test_it(x): pass")
    assert found == {"errors": 1}
    assert "empty parameter set" in printed


def test_what_is_expected_to_fail_is_no_skip(pytester: pytest.Pytester) -> None:
    found, _ = outcomes(pytester, "import pytest\n@pytest.mark.xfail(reason='known')\ndef test_it(): assert False")
    assert found == {"xfailed": 1}
