"""A network behind HTTP: requests that come at the same time are computed as one batch, by a function under ``jit``.

    pip install "hybridnet[serve]"
    uvicorn serve_fastapi:app --app-dir examples
    curl -X POST localhost:8000/predict -H 'content-type: application/json' -d "{\"image\": $(python -c 'print([[0.5] * 8] * 8)')}"

:func:`service` is all that there is to serving. Batches are filled up to 1, 2, 4 … examples, so that there are few programs; a request
with an image of another shape is answered with status 422.
"""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

import numpy
from annotated_types import Len
from fastapi import FastAPI
from pydantic import BaseModel

import hybridnet as hn
from hybridnet.gluon import nn


class Request(BaseModel):
    """An image of a digit: 8 rows of 8 numbers from 0 to 1."""

    image: Annotated[list[Annotated[list[float], Len(8, 8)]], Len(8, 8)]


def service(predict: Callable[[Any], Any], most: int = 32, wait: float = 0.002) -> FastAPI:
    """Answer ``POST /predict`` by ``predict``, a function of (batch, 1, 8, 8): at most ``most`` requests at once, of ``wait`` seconds."""
    app = FastAPI()
    waiting: asyncio.Queue[tuple[Any, asyncio.Future[Any]]] = asyncio.Queue()
    computes = hn.jit(predict)
    workers: list[asyncio.Task[None]] = []

    def computed(images: Any) -> Any:
        return computes(hn.np.array(images)).asnumpy()

    async def work() -> None:
        while True:
            batch = [await waiting.get()]
            await asyncio.sleep(wait)
            while len(batch) < most and not waiting.empty():
                batch.append(waiting.get_nowait())
            images = numpy.zeros((1 << (len(batch) - 1).bit_length(), 1, 8, 8), "float32")
            images[: len(batch), 0] = [image for image, _ in batch]
            try:
                found = await asyncio.to_thread(computed, images)
            except Exception as error:
                found = [error] * len(batch)
            for (_, answer), scores in zip(batch, found, strict=False):
                if not answer.done():  # who asked may have gone
                    answer.set_exception(scores) if isinstance(scores, Exception) else answer.set_result(scores)

    @app.post("/predict")
    async def digit(request: Request) -> dict[str, Any]:
        if not workers or workers[0].done():
            workers[:] = [asyncio.create_task(work())]
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        await waiting.put((request.image, answer))
        scores = await answer
        return {"digit": int(scores.argmax()), "scores": scores.tolist()}

    return app


def network() -> Any:
    """A small network on the digits, trained here."""
    from sklearn.datasets import load_digits

    hn.random.seed(0)
    digits = load_digits()
    net = nn.HybridSequential()
    net.add(nn.Conv2D(16, 3, padding=1, activation="relu"), nn.MaxPool2D(), nn.Flatten(), nn.Dense(10))
    net.compile(optimizer="adam", loss="softmax_cross_entropy", metrics=["accuracy"])
    net.fit(digits.images[:, None].astype("float32") / 16, digits.target, epochs=10, batch_size=50, verbose=0)
    return net


def __getattr__(name: str) -> Any:
    """``app``, which uvicorn asks for; a program that imports :func:`service` alone trains nothing."""
    if name != "app":
        raise AttributeError(name)
    return service(network())
