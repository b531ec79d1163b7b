"""Classes by name: ImageNet's, and those of one's own."""

import numpy as np
import pytest

from adm.artifacts.class_names import class_number, imagenet_names
from adm.errors import UserError

NAMES = imagenet_names()

# Numbers and names of Figures 13 and 14.
PAPER = {1: "goldfish", 279: "arctic fox", 130: "flamingo", 852: "tennis ball", 933: "cheeseburger", 562: "fountain"}


def test_names_and_numbers_belong_together():
    assert len(NAMES) == 1000
    for number, name in PAPER.items():
        assert class_number(name, 1000, NAMES) == number
        assert NAMES[number].casefold() == name
    for number in range(1000):
        assert class_number(str(number), 1000, NAMES) == number


def test_a_name_that_two_classes_have_is_of_neither():
    names = [name.casefold() for name in NAMES]
    for name in names:
        if names.count(name) == 1:
            assert names[class_number(name, 1000, NAMES)] == name
        else:
            with pytest.raises(UserError, match="give the number"):
                class_number(name, 1000, NAMES)


def test_a_text_is_a_name_first_and_a_number_is_a_number():
    names = ["2", "1", "Cafe\u0301"]
    assert [class_number(given, 3, names) for given in ("2", "1", "0", " caf\u00e9")] == [0, 1, 0, 2]
    assert [class_number(given, 3, names) for given in (2, np.int64(1))] == [2, 1]
    for given in (3, "3", 1.5, "tea"):
        with pytest.raises(UserError, match=f"class '?{given}'?: is n"):
            class_number(given, 3, names)
