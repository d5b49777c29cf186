import inspect

import pytest

from tinynet.errors import explain_keywords, look_up


@explain_keywords
def greet(name, times=1, *, loud=False):
    """Say hello."""
    return name, times, loud


class Greeting:
    @explain_keywords
    def __init__(self, learning_rate=0.1, momentum=0.0):
        self.learning_rate = learning_rate


def test_a_decorated_function_is_called_as_before():
    assert greet("a", 2, loud=True) == greet(times=2, name="a", loud=True) == ("a", 2, True)
    assert greet.__doc__ == "Say hello."
    assert list(inspect.signature(greet).parameters) == ["name", "times", "loud"]


def test_a_misspelt_keyword_is_answered_with_the_known_ones():
    with pytest.raises(TypeError) as caught:
        greet("a", tmies=3)
    assert str(caught.value) == ("greet has no argument 'tmies' (did you mean 'times'?); its arguments are name, "
                                 "times, loud. Received: tmies=3")


def test_a_class_is_named_without_its_init_and_self():
    with pytest.raises(TypeError) as caught:
        Greeting(momentun=0.9)
    assert str(caught.value) == ("Greeting has no argument 'momentun' (did you mean 'momentum'?); its arguments are "
                                 "learning_rate, momentum. Received: momentun=0.9")


def test_the_name_of_2018_is_understood():
    with pytest.raises(TypeError, match="did you mean 'learning_rate'"):
        Greeting(lr=0.5)


def test_nothing_is_guessed_where_nothing_is_close():
    with pytest.raises(TypeError, match="no argument 'xyzzy'; its arguments"):
        greet("a", xyzzy=1)


def test_look_up():
    known = {"relu": 1, "elu": 2}
    assert look_up("activation", "relu", known) == 1
    with pytest.raises(ValueError) as caught:
        look_up("activation", "rleu", known)
    assert str(caught.value) in {
        f"Unknown activation (did you mean {close!r}?); known are elu, relu. Received: 'rleu'"
        for close in ("relu", "elu")}
