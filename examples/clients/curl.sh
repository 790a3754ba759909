#!/bin/sh
# The result of a picture from the gateway, with curl:  sh curl.sh deck.jpg [http://host:port]
# Tried again after 429 and 503 for half a minute, each time after as long as Retry-After says.
set -eu
picture=$1
gateway=${2:-http://127.0.0.1:8080}

# The key goes through a pipe: everybody on the machine may read a command line.
if [ -n "${DECKWATCH_API_KEY:-}" ]; then
  printf 'header = "Authorization: Bearer %s"\n' "$DECKWATCH_API_KEY"
fi |
  curl --silent --show-error --fail-with-body --retry 5 --retry-max-time 30 --max-time 30 \
    --header 'Content-Type: application/octet-stream' --data-binary "@$picture" \
    --config - "$gateway/v1/classify"
echo
