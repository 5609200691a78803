"""How the dashboard looks and serves: every setting is passed, so that no file of the user's changes it."""

from typing import Any


def server_config(host: str, port: int) -> dict[str, Any]:
    """Streamlit's settings for serving on HOST and PORT."""
    return {
        "server.address": host,
        "server.port": port,
        "server.headless": True,
        "server.fileWatcherType": "none",
        "server.showEmailPrompt": False,
        "browser.gatherUsageStats": False,
        "logger.hideWelcomeMessage": True,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "client.showErrorLinks": False,
    }
