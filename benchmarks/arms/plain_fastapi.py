"""Plain FastAPI: raw body in, JSON out, recognition in a pool of two threads.

python -m benchmarks.arms.plain_fastapi PORT REPOSITORY
"""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import uvicorn
from fastapi import FastAPI, Request

from benchmarks.settings import THREADS, WORKERS
from deckwatch_serving.local import LocalRecogniser
from deckwatch_serving.ports import LOOPBACK


def create_app(repository: str) -> FastAPI:
    """The application, with the release of `repository` loaded."""
    cv2.setNumThreads(THREADS)
    recogniser = LocalRecogniser(repository, threads=THREADS)
    pool = ThreadPoolExecutor(WORKERS)
    app = FastAPI()

    @app.post("/classify")
    async def classify(request: Request) -> dict[str, Any]:
        picture = await request.body()
        loop = asyncio.get_running_loop()
        result = await loop.run_in_executor(pool, recogniser.recognise, picture)
        return result.as_dict()

    return app


if __name__ == "__main__":
    uvicorn.run(
        create_app(sys.argv[2]),
        host=LOOPBACK,
        port=int(sys.argv[1]),
        log_level="warning",
        access_log=False,  # at its best: a line for each request costs time
    )
