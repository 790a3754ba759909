"""The fish in many pictures, with Deckwatch's client.

python python_client.py [--server ADDRESS] PICTURE ...

Without --server they are recognised in this process, or where DECKWATCH_SERVER says.
"""
# ruff: noqa: T201 -- an example prints

import argparse

from deckwatch_client import Client, Result

parser = argparse.ArgumentParser()
parser.add_argument("pictures", nargs="+")
parser.add_argument("--server")
options = parser.parse_args()

with Client(options.server, timeout_s=30, patience_s=60) as client:
    release = client.served().release
    print(f"release {release.name}, version {release.version}")
    for picture, answer in client.classify_many(options.pictures):
        if isinstance(answer, Result):
            print(f"{picture}: {answer.label}, {len(answer.fish)} fish")
        else:  # this picture is at fault, and the next one may be well
            print(f"{picture}: {answer.code}")
