"""The text format of metrics, read by Prometheus' own parser."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families as parse

from openmessaging.server.exposition import Family, Histogram, single, text

LABELS = st.dictionaries(st.sampled_from(["queue", "group"]), st.text(), max_size=2)
NUMBERS = st.one_of(st.integers(-(1 << 70), 1 << 70).map(float), st.floats(allow_nan=False, allow_infinity=False))


@given(LABELS, NUMBERS, st.sampled_from(["gauge", "counter"]))
def test_what_is_written_is_read(labels: dict[str, str], value: float, kind: str) -> None:
    name = "oms_x_total" if kind == "counter" else "oms_x"
    family = Family(name, kind, "back\\slash\nand line")  # type: ignore[arg-type]
    family.add(value, labels)
    (read,) = parse(text(family))
    assert (read.type, read.documentation) == (kind, "back\\slash\nand line")
    (sample,) = read.samples
    assert (sample.name, sample.labels, sample.value) == (name, labels, value)


def test_a_histogram_counts_what_is_at_most_a_bound() -> None:
    histogram = Histogram((0.5, 1.0))
    for value in (0.1, 0.5, 0.6, 3.0):
        histogram.observe(value)
    (read,) = parse(text(histogram.family("oms_seconds", "Time")))
    assert read.type == "histogram"
    found = [
        (sample.name.removeprefix("oms_seconds"), sample.labels.get("le"), sample.value) for sample in read.samples
    ]
    buckets = [("_bucket", "0.5", 2.0), ("_bucket", "1.0", 3.0), ("_bucket", "+Inf", 4.0)]
    assert found == [*buckets, ("_sum", None, 4.2), ("_count", None, 4.0)]


def test_a_family_without_samples_is_not_told() -> None:
    assert text(Family("oms_x", "gauge", "Nothing")) == ""
    assert text(single("oms_y", "gauge", "One", 1)) == "# HELP oms_y One\n# TYPE oms_y gauge\noms_y 1\n"
