"""Peer (a): a Faust topic agent that does nothing, the way Faust's documentation writes it."""

from __future__ import annotations

import faust

from tests.benchmarks.peers import Tally, arguments, create_app, run


def main() -> None:
    """Take all events; say how long it took."""
    options = arguments()
    app = create_app(options)
    events = app.topic(*options.topics, value_type=bytes, value_serializer="raw", key_serializer="raw")
    tally = Tally(options)

    @app.agent(events)
    async def nothing(stream: faust.StreamT[bytes]) -> None:
        async for _ in stream:
            tally.one()

    run(app)


if __name__ == "__main__":
    main()
