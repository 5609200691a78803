"""What is taken for a secret, and what is not."""

import pytest

from llmtrace.redaction.secrets import PERSONAL, find_secrets, is_secret_field, passes_luhn, redact

# Made up, in the shapes that providers give out; put together here so that no scanner takes them for real ones.
KEYS = {
    "openai": "sk-" + "a1B2" * 12,
    "openai project": "sk-proj-" + "abcdefgh" * 4,
    "anthropic": "sk-ant-api03-" + "Ab1_" * 20,
    "openrouter": "sk-or-v1-" + "0a" * 32,
    "aws": "AKIA" + "IOSFODNN7EXAMPLE",
    "github": "ghp_" + "a1" * 18,
    "github fine": "github_pat_" + "11AB_" * 8,
    "gitlab": "glpat-" + "a1b2c3d4e5" * 2,
    "slack": "xoxb-" + "123456789012-abcdef",
    "google": "AIza" + "Sy-1a2B3c4" * 4,
    "google oauth": "ya29." + "a0Af-1" * 5,
    "groq": "gsk_" + "a1B2" * 13,
    "hugging face": "hf_" + "aB3" * 12,
    "xai": "xai-" + "a1B2" * 12,
    "stripe": "sk_live_" + "a1B2" * 6,
    "sendgrid": "SG." + "a1B2c3D4" * 3 + "." + "a1B2c3D4" * 5,
    "json web token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcDEF_-1",
}
AROUND = ["{}", "use {} now", '"{}"', "key={}&x=1", "a\n{}\nb", "({}).", "Bearer {}", r'{{"a": "x\n{}"}}', "é{}é"]


@pytest.mark.parametrize("text", AROUND)
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_keys_are_found_wherever_they_stand(key: str, text: str) -> None:
    cleaned = redact(text.format(key).encode()).decode()
    assert key not in cleaned
    assert key[:12] not in cleaned
    assert "[redacted:" in cleaned


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Authorization: Bearer abcdef0123456789", "Authorization: Bearer [redacted:token]"),
        ("Basic dXNlcjpwYXNz", "Basic [redacted:password]"),
        ("https://bob:hunter2@db.example.org/x", "https://[redacted:password]@db.example.org/x"),
        ("postgres://bob:p%40ss@db/x", "postgres://[redacted:password]@db/x"),
        ("https://h.example/x?key=abc12345&y=1", "https://h.example/x?key=[redacted:key]&y=1"),
        ("/x?api-version=2024-01&sig=AbC%2f123", "/x?api-version=2024-01&sig=[redacted:token]"),
        ("/x?X-Amz-Signature=0123abcd&X-Amz-Expires=60", "/x?X-Amz-Signature=[redacted:token]&X-Amz-Expires=60"),
        ("write to bob.smith+x@mail.example.co.uk now", "write to [redacted:email] now"),
        ("bob%40example.org", "[redacted:email]"),
        ("jörg@müller.example", "[redacted:email]"),
        ("card 4111 1111 1111 1111.", "card [redacted:card]."),
        ("4242-4242-4242-4242", "[redacted:card]"),
        ("amex 378282246310005", "amex [redacted:card]"),
        ("api_key='abcdef123456'", "api_key='[redacted:key]'"),
        ('"password": "hunter22"', '"password": "[redacted:password]"'),
        ("DB_PASSWORD=hunter22 next", "DB_PASSWORD=[redacted:password] next"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIB\nabc=\n-----END RSA PRIVATE KEY-----\nend",
            "[redacted:key]\nend",
        ),
        ("-----BEGIN PRIVATE KEY-----\nMIIBcut off", "[redacted:key]"),
    ],
)
def test_the_secret_goes_and_the_rest_stays(text: str, left: str) -> None:
    assert redact(text.encode()).decode() == left


@pytest.mark.parametrize(
    "text",
    [
        "password: required",
        "the secret: nothing is ever lost",
        "max_tokens=4096 and input_tokens: 123456",
        "primary key: 12345678",
        "sk-learn-pipelines-are-nice",
        "1700000000000000000 nanoseconds, 1763719200000",
        "4111 1111 1111 1112",
        "3.4111111111111111",
        "id 550e8400-e29b-41d4-a716-446655440000",
        "chatcmpl-CbX9a8b7c6d5e4f3g2h1",
        "basic understanding of a bearer of news",
        "https://example.org/path?page=2#top",
        "@decorator and @mention, a @ b",
        "gpt-4o-2024-08-06, claude-sonnet-4-6",
        "error code=404 for item",
        "müsste größer sein als 100 000 000",
    ],
)
def test_what_only_looks_like_one_is_left_alone(text: str) -> None:
    assert find_secrets(text.encode()) == []


def test_kinds_can_be_kept() -> None:
    text = b"bob@example.org " + KEYS["aws"].encode()
    assert redact(text, keep=PERSONAL) == b"bob@example.org [redacted:key]"


@pytest.mark.parametrize(
    ("digits", "expected"), [("4111111111111111", True), ("4111111111111112", False), ("79927398713", True)]
)
def test_card_numbers_are_told_by_their_check_digit(digits: str, expected: bool) -> None:
    assert passes_luhn([int(d) for d in digits]) is expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("http.request.header.authorization", True),
        ("x-api-key", True),
        ("db.password", True),
        ("apiKey", True),
        ("access_token", True),
        ("gen_ai.usage.input_tokens", False),
        ("gen_ai.token.type", False),
        ("llm.token_count.prompt", False),
        ("key", False),
    ],
)
def test_some_names_make_any_value_a_secret(name: str, expected: bool) -> None:
    assert is_secret_field(name) is expected
