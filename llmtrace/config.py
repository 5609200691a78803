"""Settings, read once from the environment and the call of `instrument()` into a frozen object.

An argument given in code wins over the environment, which wins over the default. This is the only module that reads
environment variables.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from llmtrace.errors import ConfigError

SEGMENT_BYTES = 8 * 1024 * 1024
JOURNAL_RETENTION_S = 24 * 3600
HOME_BYTES = 2 * 1024**3
QUEUE_SPANS = 2048
QUEUE_BYTES = 16 * 1024 * 1024
FLUSH_INTERVAL_S = 0.2

ADMIN_KEYS = {"openai": "OPENAI_ADMIN_KEY", "anthropic": "ANTHROPIC_ADMIN_KEY"}
ADMIN_URLS = {"openai": "LLMTRACE_OPENAI_ADMIN_URL", "anthropic": "LLMTRACE_ANTHROPIC_ADMIN_URL"}

_TRUE = frozenset({"1", "true", "yes", "on"})
_CONTENT_ON_SPANS = frozenset({"true", "1", "span_only", "span_and_event"})


@dataclass(frozen=True, slots=True)
class Settings:
    """What an instrumented process was told. `None` means that nobody said."""

    home: Path
    service_name: str | None = None
    environment: str | None = None
    resource: dict[str, str] = field(default_factory=dict)
    feature: str | None = None
    feature_source: str | None = None
    capture_content: bool = False
    request_stream_usage: bool = True
    endpoint: str | None = None
    token: str | None = None
    otlp_endpoint: str | None = None
    otlp_from_environment: bool = False
    providers: frozenset[str] | None = None
    http_spans: bool = False
    share_spans: bool = False


def default_home() -> Path:
    """The directory for journal and database: `LLMTRACE_HOME`, or the platform's place for user data."""
    given = os.environ.get("LLMTRACE_HOME")
    if given:
        return Path(given).expanduser()
    from platformdirs import user_data_path

    return user_data_path("llmtrace", appauthor=False)


def own_prices(home: Path) -> Path:
    """The file of the user's own prices: `LLMTRACE_PRICES`, or `prices.yaml` in HOME."""
    given = os.environ.get("LLMTRACE_PRICES")
    return Path(given).expanduser() if given else home / "prices.yaml"


def propagates_baggage() -> bool:
    """Whether baggage crosses services: it does unless `OTEL_PROPAGATORS` leaves it out."""
    given = os.environ.get("OTEL_PROPAGATORS", "").strip() or "tracecontext,baggage"
    return "baggage" in {name.strip().lower() for name in given.split(",")}


def baggage_hosts() -> tuple[str, ...]:
    """The hosts that are told on whose behalf they are asked: `LLMTRACE_BAGGAGE_HOSTS` (`a.internal,*.b.org`)."""
    given = os.environ.get("LLMTRACE_BAGGAGE_HOSTS", "")
    return tuple(host for name in given.split(",") if (host := name.strip().lower()))


def environment_of_run(given: Mapping[str, str | None]) -> dict[str, str]:
    """The environment of a command whose Python processes are to be recorded, with what is GIVEN set in it."""
    bootstrap = str(Path(__file__).parent / "bootstrap")
    before = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry and entry != bootstrap]
    return {
        **os.environ,
        **{name: value for name, value in given.items() if value is not None},
        "PYTHONPATH": os.pathsep.join([bootstrap, *before]),
        "LLMTRACE_RUN_PID": str(os.getpid()),
    }


def token() -> str | None:
    """The token to show to a sidecar: `LLMTRACE_TOKEN`."""
    return os.environ.get("LLMTRACE_TOKEN") or None


def admin_key(provider: str) -> str:
    """The key that may read PROVIDER's bill: `OPENAI_ADMIN_KEY` or `ANTHROPIC_ADMIN_KEY`.

    Raises:
        ConfigError: it is not set.
    """
    name = ADMIN_KEYS[provider]
    key = os.environ.get(name, "").strip()
    if not key:
        raise ConfigError(
            f"{name} is not set: an admin key of the organization reads its bill; or name downloaded files with --file"
        )
    if not (key.isascii() and key.isprintable()):
        raise ConfigError(f"{name} holds something that no key has: a line break, or letters beyond ASCII")
    return key


def has_admin_key(provider: str) -> bool:
    """Whether a key is set that may read PROVIDER's bill."""
    return bool(os.environ.get(ADMIN_KEYS[provider], "").strip())


def admin_url(provider: str) -> str | None:
    """Where PROVIDER's admin API is asked instead: `LLMTRACE_OPENAI_ADMIN_URL` or `LLMTRACE_ANTHROPIC_ADMIN_URL`."""
    return os.environ.get(ADMIN_URLS[provider]) or None


def otlp_headers() -> dict[str, str]:
    """The headers for an OTLP backend: `OTEL_EXPORTER_OTLP_TRACES_HEADERS`, or `OTEL_EXPORTER_OTLP_HEADERS`.

    Source: https://opentelemetry.io/docs/specs/otel/protocol/exporter/#specifying-headers-via-environment-variables
    """
    env = os.environ
    text = env.get("OTEL_EXPORTER_OTLP_TRACES_HEADERS") or env.get("OTEL_EXPORTER_OTLP_HEADERS", "")
    return _read_pairs(text)


def is_disabled() -> bool:
    """Whether the environment turns capture off: `LLMTRACE_DISABLED` or `OTEL_SDK_DISABLED`."""
    return any(_is_true(os.environ.get(name)) for name in ("LLMTRACE_DISABLED", "OTEL_SDK_DISABLED"))


def read_settings(
    *,
    service_name: str | None = None,
    home: str | Path | None = None,
    endpoint: str | None = None,
    otlp: str | None = None,
    feature: str | None = None,
    capture_content: bool = False,
    providers: tuple[str, ...] | list[str] | None = None,
    http_spans: bool = False,
    share_spans: bool = False,
) -> Settings:
    """Settings from the arguments of `instrument()` and the environment.

    Raises:
        ConfigError: an argument has a value that cannot be used.
    """
    env = os.environ
    resource = _read_pairs(env.get("OTEL_RESOURCE_ATTRIBUTES", ""))
    name = service_name or env.get("OTEL_SERVICE_NAME") or resource.get("service.name")
    environment = resource.get("deployment.environment.name") or resource.get("deployment.environment")
    env_feature = env.get("LLMTRACE_FEATURE") or None
    endpoint = endpoint or env.get("LLMTRACE_ENDPOINT") or None
    if endpoint is not None and not endpoint.startswith(("http://", "https://")):
        raise ConfigError(f"endpoint={endpoint!r} is not an http:// or https:// address of a sidecar")
    if otlp is not None and not otlp.startswith(("http://", "https://")):
        raise ConfigError(f"otlp={otlp!r} is not an http:// or https:// address of an OTLP endpoint")
    return Settings(
        home=Path(home).expanduser() if home is not None else default_home(),
        service_name=name,
        environment=environment,
        resource=resource,
        feature=feature or env_feature,
        feature_source=("default" if feature else "environment") if feature or env_feature else None,
        capture_content=capture_content or _wants_content(env),
        request_stream_usage=env.get("LLMTRACE_STREAM_USAGE", "").strip().lower() not in {"off", "0", "false", "no"},
        endpoint=endpoint,
        token=token(),
        otlp_endpoint=otlp,
        otlp_from_environment=_exports_by_environment(env),
        providers=frozenset(providers) if providers is not None else None,
        http_spans=http_spans or _is_true(env.get("LLMTRACE_HTTP_SPANS")),
        share_spans=share_spans or _is_true(env.get("LLMTRACE_SHARE_SPANS")),
    )


def _wants_content(env: "os._Environ[str]") -> bool:
    otel = env.get("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "").strip().lower()
    return _is_true(env.get("LLMTRACE_CAPTURE_CONTENT")) or otel in _CONTENT_ON_SPANS


def _exports_by_environment(env: "os._Environ[str]") -> bool:
    named = env.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or env.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    exporters = env.get("OTEL_TRACES_EXPORTER", "otlp").split(",")
    return bool(named) and "otlp" in (e.strip() for e in exporters)


def _read_pairs(text: str) -> dict[str, str]:
    """`key=value,key=value`, percent-encoded; pairs that are none are left out.

    Source: https://opentelemetry.io/docs/specs/otel/resource/sdk/#specifying-resource-information-via-an-environment-variable
    """
    pairs = (part.partition("=") for part in text.split(",") if "=" in part)
    return {key.strip(): unquote(value.strip()) for key, _, value in pairs if key.strip()}


def _is_true(value: str | None) -> bool:
    return value is not None and value.strip().lower() in _TRUE


# The encodings by name, with the hash that tiktoken expects of each file.
# Source: tiktoken_ext/openai_public.py of tiktoken 0.14 (MIT)
TIKTOKEN_URL = "https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken"
TIKTOKEN_SHA256 = {
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
}


def tiktoken_encoding_is_cached(name: str) -> bool:
    """Whether the encoding NAME is on this machine, intact: tiktoken would download it otherwise.

    Source: `tiktoken.load.read_file_cached`: the file's name is the SHA-1 of its address.
    """
    import hashlib
    import tempfile

    folder = os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR"))
    if folder is None:
        folder = os.path.join(tempfile.gettempdir(), "data-gym-cache")
    key = hashlib.sha1(TIKTOKEN_URL.format(name=name).encode(), usedforsecurity=False).hexdigest()
    try:
        data = Path(folder, key).read_bytes() if folder else b""
    except OSError:
        return False
    return hashlib.sha256(data).hexdigest() == TIKTOKEN_SHA256.get(name)
