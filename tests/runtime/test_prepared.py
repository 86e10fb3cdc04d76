from openmessaging.runtime.prepared import TransactionStateCheckContext, check_of


def test_the_last_answer_counts():
    context = TransactionStateCheckContext("t")
    assert context.decision is None
    context.commit()
    assert context.decision is True
    context.rollback()
    assert context.decision is False
    context.unknown()
    assert context.decision is None


def test_a_function_may_stand_for_a_listener():
    class Listener:
        def check(self, message, context):
            return "called"

    assert check_of(Listener())(None, None) == "called"
    assert check_of(len) is len
