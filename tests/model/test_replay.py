from openmessaging.model.replay import CopyInfo


def test_what_is_left_of_a_copy():
    assert CopyInfo("c", "a", "b", [3, 9, 5], [5, 9, 4]).left == 2
    assert CopyInfo("c", "a", "b", [], []).left == 0
