"""An HTTP server for editors: /api/translate, /api/rescore, /api/parse, /api/status.

Names are those of Serenade's code engine; bodies are JSON.
"""

import asyncio
import json
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from trainer import __version__
from trainer.code_engine import translation
from trainer.code_engine.translation import Engines
from trainer.errors import UserError
from trainer.log import log
from trainer.spoken_code.pairs import AUTO_STYLE, LANGUAGE_MODEL, PARSER
from trainer.spoken_code.place import Place

LARGEST_BYTES = 1_000_000  # of a request
MOST_SENTENCES = 64
LONGEST_WORDS = 200
MOST_RESULTS = 20
FINISHING_SECONDS = 6  # of answers that were begun
STOPPING = (signal.SIGTERM, signal.SIGINT)
WAITING = 64  # requests, above which others are sent away


class Refused(Exception):
    """A request that is not answered: status and reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass
class Server:
    """Engines behind HTTP. `seconds`: the time that an answer may take."""

    engines: Engines
    threads: int
    seconds: float
    started: float = field(default_factory=time.monotonic)
    answered: int = 0
    waiting: int = 0

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(self.threads)

    def app(self) -> Starlette:
        """The application."""
        routes = [
            Route("/api/translate", self._post(self._translate), methods=["POST"]),
            Route("/api/rescore", self._post(self._rescore), methods=["POST"]),
            Route("/api/parse", self._post(self._parse), methods=["POST"]),
            Route("/api/status", self._status, methods=["GET"]),
        ]
        return Starlette(routes=routes)

    async def _status(self, _: Request) -> JSONResponse:
        models = [{"model": m, "language": language} for m, language in self.engines.loaded]
        return JSONResponse({
            "status": "ok",
            "voicekiln": __version__,
            "models": models,
            "seconds": round(time.monotonic() - self.started, 1),
            "answered": self.answered,
        })  # fmt: skip

    def _post(
        self, answer: Callable[[dict[str, Any]], Any]
    ) -> Callable[[Request], Awaitable[JSONResponse]]:
        async def handle(request: Request) -> JSONResponse:
            try:
                if self.waiting >= WAITING:
                    raise Refused(503, f"{self.waiting} requests are waiting; try again")
                given = await _body(request)
                self.waiting += 1
                try:
                    loop = asyncio.get_running_loop()
                    work = loop.run_in_executor(self._pool, answer, given)
                    found = await asyncio.wait_for(work, self.seconds)
                finally:
                    self.waiting -= 1
                self.answered += 1
                return JSONResponse(found)
            except Refused as error:
                return JSONResponse({"error": str(error)}, error.status)
            except UserError as error:
                return JSONResponse({"error": str(error)}, 400)
            except TimeoutError:
                return JSONResponse({"error": f"no answer within {self.seconds:g} s"}, 504)

        return handle

    def _translate(self, given: dict[str, Any]) -> dict[str, Any]:
        """`text` with `language`, and `source`, `line`, `column` of the context; or `sentences` of
        tokens for any `model`, as Serenade sends them."""
        count = _number(given, "alternatives", 5, 1, MOST_RESULTS)
        language = _text(given, "language", "")
        if "sentences" in given:
            engine = self.engines.of(_text(given, "model", AUTO_STYLE), language)
            return {
                "results": [
                    [
                        {"text": " ".join(h.tokens), "score": h.normalized}
                        for h in engine.best(one, count, max(count, 3))
                    ]
                    for one in _sentences(given, "sentences")
                ]
            }
        engine = self.engines.of(AUTO_STYLE, language)
        language = language or engine.languages[0]
        words = " ".join(_words(_text(given, "text")))
        found = translation.translate(engine, words, _place(given), language, count)
        return {"alternatives": [asdict(one) | {"tokens": " ".join(one.tokens)} for one in found]}

    def _rescore(self, given: dict[str, Any]) -> dict[str, Any]:
        """`texts` that may be said at a context; or `pairs` of input and output tokens."""
        language = _text(given, "language", "")
        if "pairs" in given:
            engine = self.engines.of(_text(given, "model", LANGUAGE_MODEL), language)
            pairs = given["pairs"]
            if not isinstance(pairs, list) or not 0 < len(pairs) <= MOST_SENTENCES:
                raise Refused(400, f"pairs: a list of 1 to {MOST_SENTENCES} is needed")
            if not all(isinstance(p, dict) for p in pairs):
                raise Refused(400, "pairs: each has an input and an output")
            scores = [
                engine.scores(_words(_text(p, "input")), [_words(_text(p, "output"))])[0]
                for p in pairs
            ]
            return {"scores": scores}
        engine = self.engines.of(LANGUAGE_MODEL, language)
        texts = [" ".join(one) for one in _sentences(given, "texts")]
        return {"costs": translation.rescore(engine, _place(given), texts)}

    def _parse(self, given: dict[str, Any]) -> dict[str, Any]:
        engine = self.engines.of(PARSER)
        words = " ".join(_words(_text(given, "text")))
        return {"alternatives": [asdict(one) for one in translation.parse(engine, words)]}


async def _body(request: Request) -> dict[str, Any]:
    """The JSON object of a request, read no further than the limit."""
    if int(request.headers.get("content-length") or 0) > LARGEST_BYTES:
        raise Refused(413, f"larger than {LARGEST_BYTES} bytes")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BYTES:
            raise Refused(413, f"larger than {LARGEST_BYTES} bytes")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"not JSON: {error}") from None
    if not isinstance(found, dict):
        raise Refused(400, "not a JSON object")
    return found


def _text(given: dict[str, Any], name: str, default: str | None = None) -> str:
    found = given.get(name, default)
    if not isinstance(found, str):
        raise Refused(400, f"{name}: a text is needed")
    return found


def _number(given: dict[str, Any], name: str, default: int | None, low: int, high: int) -> Any:
    found = given.get(name, default)
    if found is None:
        return None
    if not isinstance(found, int) or isinstance(found, bool) or not low <= found <= high:
        raise Refused(400, f"{name}: a number from {low} to {high} is needed")
    return found


def _words(text: str) -> list[str]:
    words = text.split()
    if not words:
        raise Refused(400, "no tokens: the text is empty")
    if len(words) > LONGEST_WORDS:
        raise Refused(400, f"{len(words)} tokens; at most {LONGEST_WORDS} are read")
    return words


def _sentences(given: dict[str, Any], name: str) -> list[list[str]]:
    found = given.get(name)
    if not isinstance(found, list) or not 0 < len(found) <= MOST_SENTENCES:
        raise Refused(400, f"{name}: a list of 1 to {MOST_SENTENCES} texts is needed")
    if not all(isinstance(one, str) for one in found):
        raise Refused(400, f"{name}: a list of texts is needed")
    return [_words(one) for one in found]


def _place(given: dict[str, Any]) -> Place:
    source = _text(given, "source", "")
    line = _number(given, "line", 0, 0, 10_000_000)
    column = _number(given, "column", None, 0, 10_000_000)
    return Place.at(source, line, column)


class _Running(uvicorn.Server):
    """Uvicorn's server; asked to stop, it ends well and does not raise the signal again."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in STOPPING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def serve(folders: Sequence[Path], host: str, port: int, threads: int, seconds: float) -> None:
    """Serve until SIGTERM or Ctrl-C; answers that were begun are finished. Raises UserError."""
    engines = Engines(folders, threads)
    for engine in {id(e): e for e in engines.loaded.values()}.values():
        engine.best(["ENG"], 1)  # loads it now, not with the first request
    try:
        listening = socket.create_server((host, port))
    except OSError as error:
        raise UserError(f"cannot listen on port {port} of {host}: {error.strerror}") from error
    server = Server(engines, threads, seconds)
    config = uvicorn.Config(
        server.app(),
        log_level="warning",
        timeout_graceful_shutdown=FINISHING_SECONDS,
        limit_concurrency=4 * WAITING,
    )
    loaded = ", ".join(f"{m} ({language})" for m, language in engines.loaded)
    log.info("serving %s at http://%s:%d/api/status", loaded, host, port)
    with listening:
        _Running(config).run([listening])
    log.info("stopped; %d requests were answered", server.answered)
