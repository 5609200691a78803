"""What is asked of OpenAI's simulator."""

from enum import Enum
from typing import Any

from pydantic import BaseModel

HELLO: Any = [{"role": "user", "content": "Say something about the weather."}]
WITH_USAGE: Any = {"include_usage": True}


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Node(BaseModel):
    name: str
    colour: Colour
    weight: float | None
    children: list["Node"]
