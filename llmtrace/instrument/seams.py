"""Which module of which SDK is patched, and by what. An SDK that is not installed costs its entry here."""

from collections.abc import Callable
from types import ModuleType
from typing import Protocol

from llmtrace.instrument.boto import BotoSeam
from llmtrace.instrument.cohere import CohereSeam
from llmtrace.instrument.contracts import Capture
from llmtrace.instrument.google import GoogleSeam
from llmtrace.instrument.google_live import LiveSeam
from llmtrace.instrument.guardrails import GuardrailPatches
from llmtrace.instrument.litellm import LitellmSeam
from llmtrace.instrument.ollama import OllamaSeam
from llmtrace.instrument.speakeasy import InteractionsSeam, SpeakeasySeam
from llmtrace.instrument.stainless import Patches
from llmtrace.providers import Family


class Installed(Protocol):
    """The patches of one module."""

    def undo(self) -> None:
        """Give the SDK its own functions back."""

    def forget_unread(self) -> None:
        """In a forked child: the parent's open streams are the parent's."""


Install = Callable[[ModuleType, Family, Capture], Installed]

# Module, the SDK's name in its family, and what patches it.
SEAMS: tuple[tuple[str, str, Install], ...] = (
    ("openai._base_client", "openai", Patches),
    ("anthropic._base_client", "anthropic", Patches),
    ("anthropic.lib.bedrock._client", "anthropic", GuardrailPatches),
    ("google.genai._api_client", "google.genai", GoogleSeam),
    ("botocore.client", "boto3", BotoSeam),
    ("litellm.llms.custom_httpx.http_handler", "litellm", LitellmSeam),
    ("google.genai.live", "google.genai", LiveSeam),
    ("google.genai._gaos.basesdk", "google.genai", InteractionsSeam),
    ("mistralai.basesdk", "mistralai", SpeakeasySeam),  # up to 1.x
    ("mistralai.client.basesdk", "mistralai", SpeakeasySeam),
    ("mistralai_azure.basesdk", "mistralai", SpeakeasySeam),
    ("mistralai_gcp.basesdk", "mistralai", SpeakeasySeam),
    ("mistralai.azure.client.basesdk", "mistralai", SpeakeasySeam),
    ("mistralai.gcp.client.basesdk", "mistralai", SpeakeasySeam),
    ("ollama._client", "ollama", OllamaSeam),
    ("cohere.core.http_client", "cohere", CohereSeam),
)


def find_seam(module: str) -> tuple[str, Install] | None:
    """The SDK and the patches of MODULE, or None."""
    return next(((sdk, install) for name, sdk, install in SEAMS if name == module), None)
