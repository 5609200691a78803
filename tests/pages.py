"""Reads what a page that was run without a browser shows."""

from streamlit.testing.v1 import AppTest

WORDS = ("markdown", "subheader", "warning", "success", "info", "code")


def texts(test: AppTest) -> str:
    return "\n".join(str(element.value) for kind in WORDS for element in test.get(kind))


def metrics(test: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in test.metric}


def button(test: AppTest, key: str) -> AppTest:
    """The page after a click on the button called KEY."""
    return test.button(key=key).click().run()
