#!/bin/sh
# The label of a picture from Triton, with grpcurl:  sh grpcurl.sh deck.jpg [host:port]
# JSON carries bytes in base64, both ways.
set -eu
picture=$1
server=${2:-127.0.0.1:8001}
here=$(dirname "$0")

size=$(wc -c < "$picture" | tr -d ' ')
{
  printf '{"model_name": "deckwatch", "inputs": [{"name": "IMAGE", "datatype": "UINT8",'
  printf ' "shape": [%s]}], "outputs": [{"name": "LIKELIHOODS", "parameters":' "$size"
  printf ' {"classification": {"int64_param": 1}}}], "raw_input_contents": ["'
  base64 < "$picture" | tr -d '\n'
  printf '"]}'
} |
  grpcurl -plaintext -max-msg-sz 104857600 -import-path "$here/protos" -proto inference.proto \
    -d @ "$server" inference.GRPCInferenceService/ModelInfer |
  # What is asked for is one text "likelihood:place:label" after four bytes of its length.
  sed -n '/rawOutputContents/,/]/s/^ *"\([A-Za-z0-9+/=]*\)"$/\1/p' | base64 -d | tail -c +5
echo
