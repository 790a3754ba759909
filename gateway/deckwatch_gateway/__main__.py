"""`python -m deckwatch_gateway`: serve until SIGTERM or Ctrl-C, configured by the environment.

Exit status 0 after an orderly stop, 2 when a setting or the address is wrong.
"""

from __future__ import annotations

import sys
from pathlib import Path

from deckwatch_vision.errors import UsageError


def run(file: Path | None = None) -> int:
    """Serve with the settings of the environment and of `file`; the exit status."""
    from deckwatch_gateway.logs import configure, log
    from deckwatch_gateway.server import GatewayServer
    from deckwatch_gateway.settings import Settings, read_settings
    from deckwatch_gateway.settings.sources import misspelt

    try:
        settings = read_settings(file)
        configure(settings.log_level)
        for variable, meant in misspelt(Settings).items():
            log.warning("unknown variable", variable=variable, did_you_mean=meant)
        server = GatewayServer(settings)
    except UsageError as error:
        sys.stderr.write(f"deckwatch gateway: {error}\n")
        return 2
    server.serve_until_stopped()
    return 0


if __name__ == "__main__":
    sys.exit(run())
