"""The fish in many pictures, with Deckwatch's client and asyncio.

python async_client.py [--server ADDRESS] PICTURE ...
"""
# ruff: noqa: T201 -- an example prints

import argparse
import asyncio

from deckwatch_client import AsyncClient, Result


async def main(pictures: list[str], server: str | None) -> None:
    """Print the label of each picture as soon as it is there."""
    async with AsyncClient(server, timeout_s=30, patience_s=60) as client:
        async for picture, answer in client.classify_many(pictures, ordered=False):
            print(f"{picture}: {answer.label if isinstance(answer, Result) else answer.code}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("pictures", nargs="+")
    parser.add_argument("--server")
    options = parser.parse_args()
    asyncio.run(main(options.pictures, options.server))
