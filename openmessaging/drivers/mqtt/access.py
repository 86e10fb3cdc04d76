"""The driver SPI over MQTT 5."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence

from paho.mqtt.client import MQTTMessage
from paho.mqtt.reasoncodes import ReasonCode

from openmessaging.drivers.consuming import ForeignSubscription, check_spec
from openmessaging.drivers.mapping import unpacked
from openmessaging.drivers.mqtt.packets import NAMING, to_properties, topic_of
from openmessaging.drivers.mqtt.session import Broker, Session, refused
from openmessaging.drivers.mqtt.source import MqttSource
from openmessaging.drivers.partial import Outcome, PartialDriver, closed
from openmessaging.model.batch import encode_own
from openmessaging.model.errors import OMSRuntimeException, error, unsupported
from openmessaging.model.message import Record
from openmessaging.model.spi import Capability, Durability, OutgoingBatch, Placement, SubscriptionSpec

PATIENCE = 30.0
"""Seconds after which a send without the broker's answer fails."""
SENDER_EXPIRY_S = 300
"""Seconds that the broker remembers what a sender has begun to send."""
CONSUMER_EXPIRY_S = 7 * 86_400
"""Seconds that the broker keeps messages for a named consumer that is not there."""


class MqttDriver(PartialDriver):
    """A broker, over a connection for sends and one per subscription."""

    capabilities = frozenset({Capability.NACK_DELAY, Capability.BROADCAST, Capability.EXPIRY})
    max_body_bytes = 16 << 20

    def __init__(self, broker: Broker, client_id: str | None) -> None:
        super().__init__()
        self._broker = broker
        self._client_id = client_id
        self._sends = Session(broker, f"oms-{secrets.token_hex(8)}", SENDER_EXPIRY_S, _ignore)
        self._names: set[str] = set()

    async def open(self) -> None:
        """Connect. Raises OSError, OMSSecurityException."""
        await self._sends.open()

    async def partition_count(self, destination: str) -> int:  # noqa: ARG002 - the SPI's
        """A topic is one partition."""
        return 1

    async def put(self, batches: Sequence[OutgoingBatch]) -> Sequence[Outcome]:
        """Publish all, then wait for what the broker says of each message; a batch is as good as its worst one."""
        sent = [self._publish(outgoing) for outgoing in batches]
        answers = [future for each in sent if isinstance(each, list) for future in each]
        if answers:
            await asyncio.wait(answers, timeout=PATIENCE)
        store_ms = time.time_ns() // 1_000_000
        return [
            _outcome(outgoing, each, store_ms) if isinstance(each, list) else each
            for outgoing, each in zip(batches, sent, strict=True)
        ]

    def _publish(self, outgoing: OutgoingBatch) -> list[asyncio.Future[ReasonCode]] | OMSRuntimeException:
        if outgoing.partition not in (None, 0):
            return error(1418, f"{outgoing.destination} has no partition {outgoing.partition}", field="partition")
        topic = topic_of(outgoing.destination)
        now_ms = time.time_ns() // 1_000_000
        try:
            packets = [(record.data, to_properties(record, now_ms)) for record in unpacked(outgoing)]
        except OMSRuntimeException as failure:
            return failure
        return [self._sends.publish(topic, payload, properties) for payload, properties in packets]

    async def subscribe(self, spec: SubscriptionSpec) -> ForeignSubscription:
        """Join a group: from now on the broker keeps messages for it. Raises OMSUnsupportException for a start in the
        past and what else MQTT lacks; OMSRuntimeException 1503 without a broker."""
        check_spec(spec, broadcast=True)
        if spec.config.start not in ("earliest", "latest"):
            raise unsupported(f"start {spec.config.start}", next_step="MQTT has no messages from before a subscription")
        if self._closed:
            raise closed()
        name, expiry_s = self._session_name(spec)
        source = MqttSource(lambda: self._names.discard(name))
        session = Session(self._broker, name, expiry_s, source.arrive)
        source.attach(session)
        try:
            await session.open()
            topic = topic_of(spec.destination)
            await session.subscribe(topic if spec.broadcast else f"$share/{NAMING.group(spec.group)}/{topic}")
        except OSError as cause:
            self._names.discard(name)
            raise error(1503, f"no broker answers: {cause}", next_step="Start it") from cause
        return ForeignSubscription(source, spec, self._bury, redelivers=False)

    def _session_name(self, spec: SubscriptionSpec) -> tuple[str, int]:
        """Under which name the broker knows a consumer, and how long it keeps that: the first consumer of a group in
        this process always has the same, where the user gave names."""
        if self._client_id is None or spec.broadcast:
            return f"oms-{secrets.token_hex(8)}", 0
        number = 0
        while (
            name := f"{self._client_id}/{NAMING.group(spec.group)}/{topic_of(spec.destination)}/{number}"
        ) in self._names:
            number += 1
        self._names.add(name)
        return name, CONSUMER_EXPIRY_S

    async def _bury(self, queue: str, records: list[Record]) -> None:
        await self.send([OutgoingBatch(queue, None, encode_own(records, time.time_ns() // 1_000_000))])

    async def disconnect(self) -> None:
        """Hang up."""
        await self._sends.close()


def _outcome(outgoing: OutgoingBatch, answers: Sequence[asyncio.Future[ReasonCode]], store_ms: int) -> Outcome:
    for answer in answers:
        if not answer.done():
            return error(1410, f"no answer within {PATIENCE:.0f} s; it may have been stored", next_step="Send it again")
        reason = answer.result()
        if reason.value:  # a reason below 0x80 is no failure to MQTT, but a message that nobody gets is one here
            return refused(reason, outgoing.destination)
    return Placement(0, -1, store_ms, Durability.MEMORY)


def _ignore(_: MQTTMessage) -> None:
    """A sender subscribes to nothing."""
