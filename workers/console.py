"""A client of the command topic: sends commands, waits for their answers.

    async with Console(client_arguments(settings)) as console:
        answer = await console.ask({"command": "put-group", "group": "vip", "name": "VIP"}, timeout=10)

It needs Kafka and nothing else; whoever wants something of the groups takes this way.
"""

import asyncio
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError

from events import written
from events.outputs import GroupCommandResult
from events.topics import GROUP_COMMAND_RESULTS, GROUP_COMMANDS

Command = Mapping[str, Any]
COMMAND_BYTES_MAX: Final = 1_000_000
"""A little less than Kafka takes unless a topic is set to take more (1 MiB)."""
CONNECT_TIMEOUT_S: Final = 15.0
CLOSE_TIMEOUT_S: Final = 3.0
"""A client whose broker is gone would wait for it when it is closed."""


class ConsoleError(Exception):
    """Commands could not be sent or answers not be read; the message is a sentence for an operator."""


class NoAnswerError(ConsoleError):
    """Commands were sent and not answered in time. They may still be carried out."""


class Console:
    """Sends commands and reads their answers; one may be used by many tasks at once."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        """`arguments` are those of workers.kafka.client_arguments."""
        self._arguments = dict(arguments)
        self._consumer: Any = None
        self._producer: Any = None
        self._reading: asyncio.Task[None] | None = None
        self._pending: dict[str, asyncio.Future[GroupCommandResult]] = {}
        self._answered = 0.0
        """When the last awaited answer came."""

    async def __aenter__(self) -> Self:
        """Connect, and stand at the end of the answers: what is asked from now on is seen answered.

        Raises ConsoleError when no Kafka answers or the topics are not there.
        """
        servers = self._arguments["bootstrap_servers"]
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._connect()
        except (KafkaConnectionError, TimeoutError) as exc:
            await self._close()
            raise ConsoleError(f"no Kafka answers at {servers}") from exc
        except (KafkaError, OSError) as exc:
            await self._close()
            raise ConsoleError(f"Kafka at {servers} cannot be used: {exc}") from exc
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections; what is not answered by now stays unanswered here."""
        await self._close()

    async def ask(self, command: Command, timeout: float) -> GroupCommandResult:  # noqa: ASYNC109
        """Send one command and wait for its answer, `timeout` seconds at most.

        Raises NoAnswerError after that, and ConsoleError as `ask_all`.
        """
        [answer] = await self.ask_all([command], timeout)
        if answer is None:
            name = command.get("command")
            raise NoAnswerError(
                f"no answer to {name} within {timeout:g} s: is a worker running? It may still be carried out"
            )
        return answer

    async def ask_all(
        self,
        commands: Sequence[Command],
        timeout: float,  # noqa: ASYNC109
    ) -> list[GroupCommandResult | None]:
        """Send commands in their order, without waiting in between, and wait for their answers.

        A command without an `id` gets one that is unique. Answers come in the order of the commands;
        None for those that were not answered before `timeout` seconds had passed without any new
        answer. Raises ConsoleError when Kafka refuses a command, ValueError for one that is too large
        or whose id is being asked already.
        """
        named = [{**command, "id": command.get("id") or uuid.uuid4().hex} for command in commands]
        values = [written.dumps(command).encode() for command in named]
        for value in values:
            if len(value) > COMMAND_BYTES_MAX:
                raise ValueError(f"a command has {len(value):,} bytes, more than {COMMAND_BYTES_MAX:,}")
        futures = self._expect([str(command["id"]) for command in named])
        try:
            self._answered = time.monotonic()
            try:
                async with asyncio.timeout(timeout):
                    await self._send(named, values)
            except TimeoutError as exc:
                raise ConsoleError(f"Kafka did not take the commands within {timeout:g} s") from exc
            except KafkaError as exc:
                raise ConsoleError(f"Kafka did not take the commands: {exc}") from exc
            await self._wait(futures.values(), timeout)
            return [future.result() if future.done() else None for future in futures.values()]
        finally:
            for command_id in futures:
                del self._pending[command_id]

    def keep_waiting(self) -> None:
        """Say that there was word of what is asked: the seconds without an answer begin anew."""
        self._answered = time.monotonic()

    async def _connect(self) -> None:
        self._consumer = AIOKafkaConsumer(
            **self._arguments,
            isolation_level="read_committed",
            enable_auto_commit=False,
            # Only where retention overtook this reader; asked commands would then go unanswered.
            auto_offset_reset="earliest",
            fetch_max_wait_ms=100,
        )
        await self._consumer.start()
        known = await self._consumer.topics()  # a look that makes no topics
        for topic in (GROUP_COMMANDS, GROUP_COMMAND_RESULTS):
            if topic.name not in known:
                raise ConsoleError(
                    f"the topic {topic.name} is not there: make it with `client-groups topics`"
                )
        self._producer = AIOKafkaProducer(**self._arguments, enable_idempotence=True, acks="all")
        await self._producer.start()
        numbers = await self._producer.partitions_for(GROUP_COMMAND_RESULTS.name)
        partitions = [TopicPartition(GROUP_COMMAND_RESULTS.name, number) for number in numbers]
        self._consumer.assign(partitions)
        # Asked for and not left to the first fetch: an answer must not come before the reader.
        for partition, end in (await self._consumer.end_offsets(partitions)).items():
            self._consumer.seek(partition, end)
        self._reading = asyncio.create_task(self._read(), name="answers")

    async def _close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        for client in (self._producer, self._consumer):
            if client is not None:
                with suppress(KafkaError, TimeoutError, OSError):
                    await asyncio.wait_for(client.stop(), CLOSE_TIMEOUT_S)

    def _expect(self, command_ids: Sequence[str]) -> dict[str, asyncio.Future[GroupCommandResult]]:
        if len(set(command_ids)) < len(command_ids) or self._pending.keys() & set(command_ids):
            raise ValueError("two commands with one id cannot be asked at the same time")
        loop = asyncio.get_running_loop()
        futures = {command_id: loop.create_future() for command_id in command_ids}
        self._pending |= futures
        return futures

    async def _send(self, commands: Sequence[Command], values: Sequence[bytes]) -> None:
        deliveries = []
        for command, value in zip(commands, values, strict=True):
            key = command.get("group") or command.get("client_id")
            # The producer's own partitioner is murmur2 on the key, as Java's.
            deliveries.append(
                await self._producer.send(
                    GROUP_COMMANDS.name, value, None if key is None else str(key).encode()
                )
            )
        await asyncio.gather(*deliveries)

    async def _wait(self, futures: Any, timeout: float) -> None:  # noqa: ASYNC109
        """Until all are done, or until `timeout` seconds after the last answer."""
        assert self._reading is not None
        for future in futures:
            while not future.done():
                left = self._answered + timeout - time.monotonic()
                if left <= 0:
                    return
                await asyncio.wait({future, self._reading}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                if self._reading.done() and not future.done():
                    raise ConsoleError(f"answers cannot be read: {self._reading.exception()}")

    async def _read(self) -> None:
        while True:
            try:
                record = await self._consumer.getone()
            except KafkaError as error:
                if not error.retriable:
                    raise
                await asyncio.sleep(0.1)
                continue
            self._take(record.value)

    def _take(self, value: bytes | None) -> None:
        with suppress(ValueError):  # not an answer, or not one that is waited for
            answer = written.loads(value or b"")
            command_id = answer.get("command_id") if isinstance(answer, dict) else None
            waiting = self._pending.get(command_id) if isinstance(command_id, str) else None
            if waiting is not None and not waiting.done():
                # Workers newer than this may say more.
                waiting.set_result(GroupCommandResult.model_validate(answer, extra="ignore"))
                self._answered = time.monotonic()
