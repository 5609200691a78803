"""What is asked of Anthropic's simulator."""

from typing import Any

from pydantic import BaseModel

MODEL = "claude-haiku-4-5"
HELLO: Any = [{"role": "user", "content": "Say something about the weather."}]
ASK: Any = {"model": MODEL, "max_tokens": 2_000, "messages": HELLO}
WEATHER: Any = {
    "name": "get_weather",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"enum": ["C", "F"]}},
        "required": ["city", "unit"],
    },
}


class City(BaseModel):
    name: str
    inhabitants: int
    twin: "City | None"
