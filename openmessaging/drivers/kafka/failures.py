"""What Kafka and its client say is wrong, as errors of the standard."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException

from openmessaging.model.errors import OMSRuntimeException, error

_CODES: dict[int, tuple[int, str]] = {
    KafkaError.UNKNOWN_TOPIC_OR_PART: (1404, "Create the queue"),
    KafkaError._UNKNOWN_TOPIC: (1404, "Create the queue"),
    KafkaError._UNKNOWN_PARTITION: (1404, "Ask how many partitions the queue has"),
    KafkaError.TOPIC_ALREADY_EXISTS: (1406, "Use another name"),
    KafkaError.MSG_SIZE_TOO_LARGE: (1413, "Send a reference to it instead"),
    KafkaError.RECORD_LIST_TOO_LARGE: (1413, "Send fewer at once"),
    KafkaError.INVALID_MSG_SIZE: (1413, "Send a reference to it instead"),
    KafkaError.TOPIC_AUTHORIZATION_FAILED: (1403, "Ask for the right"),
    KafkaError.GROUP_AUTHORIZATION_FAILED: (1403, "Ask for the right"),
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: (1403, "Ask for the right"),
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: (1403, "Ask for the right"),
    KafkaError.SASL_AUTHENTICATION_FAILED: (1401, "Check ACCOUNT_ID and ACCOUNT_KEY"),
    KafkaError._AUTHENTICATION: (1401, "Check ACCOUNT_ID and ACCOUNT_KEY"),
    KafkaError._TIMED_OUT: (1410, "It may have been done all the same"),
    KafkaError._MSG_TIMED_OUT: (1410, "It may have been stored all the same"),
    KafkaError._TIMED_OUT_QUEUE: (1503, "Try again when Kafka answers"),
    KafkaError.REQUEST_TIMED_OUT: (1410, "It may have been stored all the same"),
    KafkaError._TRANSPORT: (1503, "Try again when Kafka answers"),
    KafkaError._ALL_BROKERS_DOWN: (1503, "Try again when Kafka answers"),
    KafkaError.NOT_LEADER_FOR_PARTITION: (1503, "Try again in a moment"),
    KafkaError.LEADER_NOT_AVAILABLE: (1503, "Try again in a moment"),
    KafkaError.BROKER_NOT_AVAILABLE: (1503, "Try again in a moment"),
    KafkaError.COORDINATOR_NOT_AVAILABLE: (1503, "Try again in a moment"),
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS: (1503, "Try again in a moment"),
    KafkaError.NOT_COORDINATOR: (1503, "Try again in a moment"),
    KafkaError._WAIT_COORD: (1503, "Try again in a moment"),
    KafkaError._RESOLVE: (1503, "Check the host's name"),
    KafkaError._QUEUE_FULL: (1502, "Wait for what was sent before"),
    KafkaError.INVALID_CONFIG: (1418, "Give settings that Kafka takes"),
    KafkaError.POLICY_VIOLATION: (1418, "Give settings that the cluster's policy allows"),
    KafkaError.TOPIC_EXCEPTION: (1418, "Use a shorter name"),
    KafkaError._INVALID_ARG: (1418, "Give settings that Kafka takes"),
    KafkaError.INVALID_PARTITIONS: (1418, "Give a number that Kafka takes"),
    KafkaError.INVALID_REPLICATION_FACTOR: (1418, "Give a number that the cluster has brokers for"),
    KafkaError.INVALID_RECORD: (1400, "A message of a compacted queue needs a key"),
    KafkaError.GROUP_ID_NOT_FOUND: (1404, "Ask which groups there are"),
    KafkaError.NON_EMPTY_GROUP: (1400, "Stop its consumers first"),
    KafkaError.UNKNOWN_MEMBER_ID: (1418, "Its partition went to another consumer, which gets it again"),
    KafkaError.ILLEGAL_GENERATION: (1418, "Its partition went to another consumer, which gets it again"),
    KafkaError.FENCED_INSTANCE_ID: (1408, "Use another instance id"),
    KafkaError.KAFKA_STORAGE_ERROR: (1501, "Look at the broker's disk"),
    KafkaError.NOT_ENOUGH_REPLICAS: (1503, "Wait for replicas"),
    KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND: (1410, "It may have been stored all the same"),
}


def told(failure: KafkaError | KafkaException, what: str = "") -> OMSRuntimeException:
    """The error to raise for one of Kafka's; `what`: the queue or group it is about."""
    cause = failure if isinstance(failure, KafkaException) else KafkaException(failure)
    said: KafkaError = cause.args[0]
    code, step = _CODES.get(said.code(), (1500, "Look at the broker's log"))
    found = error(code, f"{what}: {said.str()}" if what else said.str(), next_step=step)
    found.__cause__ = cause
    return found


def is_passing(failure: KafkaError) -> bool:
    """Whether the same call may do a moment later: the coordinator moves, the broker starts again."""
    return failure.retriable() or failure.code() in _PASSING


_PASSING = frozenset(
    (
        KafkaError._TRANSPORT,
        KafkaError._TIMED_OUT,
        KafkaError._WAIT_COORD,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._IN_PROGRESS,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
    )
)
