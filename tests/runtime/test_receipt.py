import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.runtime.receipt import MessageReceipt

RECEIPTS = st.builds(
    MessageReceipt,
    st.text(),
    st.text(),
    st.integers(0, 1 << 31),
    st.integers(0, (1 << 63) - 1),
    st.integers(1, 1 << 31),
    st.integers(0, (1 << 63) - 1),
)


@given(RECEIPTS)
def test_the_text_form_gives_the_same_receipt(receipt: MessageReceipt) -> None:
    text = str(receipt)
    assert MessageReceipt.parse(text) == receipt
    assert text.replace("-", "").replace("_", "").isalnum()


@given(st.text() | st.integers())
def test_any_other_text_is_refused(text: object) -> None:
    with pytest.raises(OMSRuntimeException) as refused:
        MessageReceipt.parse(text)  # type: ignore[arg-type]
    assert (refused.value.code, refused.value.field) == (1418, "receipt")


def test_a_damaged_receipt_is_refused() -> None:
    text = str(MessageReceipt("id", "default://q", 0, 1, 1, 1))
    with pytest.raises(OMSRuntimeException):
        MessageReceipt.parse(text[:-3])
