"""ImageNet's classes by name."""

import pytest

from adm.data.class_names import class_name, class_number, imagenet_names
from adm.errors import UserError

# Numbers and names of Figures 13 and 14.
PAPER = {1: "goldfish", 279: "arctic fox", 130: "flamingo", 852: "tennis ball", 933: "cheeseburger", 562: "fountain"}


def test_names_and_numbers_belong_together():
    assert len(imagenet_names()) == 1000
    for number, name in PAPER.items():
        assert class_number(name, 1000) == number
        assert class_name(number, 1000).casefold() == name
    for number in range(1000):
        assert class_number(str(number), 1000) == number


def test_a_name_that_two_classes_have_is_of_neither():
    names = [name.casefold() for name in imagenet_names()]
    for name in names:
        if names.count(name) == 1:
            assert names[class_number(name, 1000)] == name
        else:
            with pytest.raises(UserError, match="give the number"):
                class_number(name, 1000)
