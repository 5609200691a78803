"""The rules in force for one home: read anew where the configuration file changes."""

from pathlib import Path

from llmtrace import config
from llmtrace.errors import ConfigFileError
from llmtrace.followed import FollowedFile
from llmtrace.rules.reading import read_rules
from llmtrace.rules.rule import NO_RULES, Rules


class CurrentRules:
    """The rules for HOME. A bad file changes nothing: what was in force stays, and `problem` says why."""

    def __init__(self, home: Path) -> None:
        """Look for the configuration file where the environment says, or in HOME."""
        self.path = config.config_file(home)
        is_named = self.path != home / config.CONFIG_NAME
        self._file = FollowedFile(
            self.path, read_rules, lambda: NO_RULES, ConfigFileError, "your rules", is_needed=is_named
        )

    def rules(self) -> Rules:
        """The rules as of now."""
        return self._file.value()

    def require(self) -> Rules:
        """The rules in the file as it stands.

        Raises:
            ConfigFileError: it cannot be used, or is not there.
        """
        return read_rules(self.path)

    @property
    def problem(self) -> str | None:
        """Why the file is not in force as it stands."""
        return self._file.problem
