"""The systems' files: each builds its network, and what makes no sense is a sentence."""

from __future__ import annotations

import io
import json

import pytest
import torch
from django.core.management import CommandError, call_command

from emotion.zoo.registry import create_model
from training.recipes.zoo.systems import ZooError, system, system_names, system_of

TEXT = """
title = "Made"
paper = "none"
architecture = "liu_simple"
[front_end]
name = "power_spectrogram"
size = 65
[training]
learning_rate = 1.0e-3
"""


def listed() -> list[dict[str, object]]:
    out = io.StringIO()
    call_command("zoo", "--json", stdout=out)
    systems: list[dict[str, object]] = json.loads(out.getvalue())
    return systems


@pytest.mark.parametrize("name", system_names())
def test_a_file_is_a_network_that_reads_its_front_end(name: str) -> None:
    for within_budget in (False, True):
        made = system(name, within_budget=within_budget)
        each = made.front_end.input_shape
        with torch.device("meta"):
            network = create_model(made.member.name, made.network)
        assert network.config.input_shape == each
        assert made.title
        assert made.paper


def test_the_list_has_what_a_program_asks_for() -> None:
    systems = listed()
    assert [each["name"] for each in systems] == system_names()
    for each in systems:
        assert {"name", "paper", "front_end", "parameters", "licence"} <= each.keys()
        assert isinstance(each["parameters"], int)


def test_an_option_of_the_input_follows_the_front_end() -> None:
    assert system_of("made", TEXT).network.size == 65


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ('"liu_simple"', '"nothing"', "There is no architecture 'nothing'"),
        ("size = 65", "size = 65\nheight = 3", "height"),
        ('"power_spectrogram"', '"cochlea"', "cochlea"),
        ("learning_rate", "learning", "training has no learning"),
        ('title = "Made"', "", "it lacks title"),
        ("[training]", "[trainings]", "trainings is not known"),
        ("1.0e-3", "-1", "learning_rate above 0"),
        ("size = 65", "size = 2", "size is 2; it must be a whole number from 3 on"),
        (
            "[training]",
            "[augment.tfm]\nchance = 1.0\nlargest = 0.9\n[training]",
            "augment.tfm has no largest; it has chance",
        ),
        ("[training]", "[augment.gain]\nlimit = 1\n[training]", "augment.gain has no limit; it has limit_db"),
        (
            "[training]",
            "[augment.tfm]\nchance = 1.0\n[training]",
            "log-mel images, its front end makes a 65x65 power spec",
        ),
        (
            "[training]",
            "[augment.image]\nshift = true\n[training]",
            "log-mel images, its front end makes a 65x65 power",
        ),
    ],
)
def test_what_makes_no_sense_is_a_sentence(before: str, after: str, sentence: str) -> None:
    with pytest.raises(ZooError, match=sentence) as error:
        system_of("made", TEXT.replace(before, after))
    assert str(error.value).startswith("The system made cannot be read")


def test_a_network_that_cannot_read_its_input_is_a_sentence() -> None:
    raw = """
title = "Made"
paper = "none"
architecture = "bathigama_spectrograms"
[front_end]
name = "waveform"
window_s = 0.1
"""
    with pytest.raises(ZooError, match=r"The network of made cannot read a waveform of 0\.1 s: "):
        system_of("made", raw).check()


@pytest.mark.parametrize("name", system_names())
def test_a_network_reads_its_crops(name: str) -> None:
    made = system(name, within_budget=True)
    if made.front_end.window_s < 24 or made.cut:
        made.check()


def test_an_unknown_system_is_a_sentence() -> None:
    with pytest.raises(CommandError, match="There is no system 'nothing' in the zoo"):
        call_command("zoo", "list", "nothing")


def test_a_budget_says_what_it_cuts() -> None:
    text = TEXT + "[budget]\nbatch_size = 8\n"
    assert system_of("made", text).cut == ""
    assert system_of("made", text, within_budget=True).cut == "batch_size 8 in place of the default"
    assert system_of("made", text, within_budget=True).training.batch_size == 8


def test_the_note_says_how_segments_are_heard() -> None:
    chunks = "[front_end.chunks]\nhop_s = 3.0\n[training]\npatience = 10"
    text = TEXT.replace("[training]", chunks).replace("size = 65", "size = 65\nwindow_s = 3.0")
    heard = "An epoch hears one of a clip's 8 segments, at random; the validation loss is the middle one's"
    norms = "; batch normalisation is measured on the first one"
    patience = " A patience of 10 epochs is thus 1.2 passes over all segments."
    assert system_of("made", text).note == f"{heard}{norms}.{patience}"
    assert system_of("made", f"{text}renew_norms = 0\n").note == f"{heard}.{patience}"
    assert system_of("made", TEXT).note == ""
    cropped = system_of("made", f"{TEXT}[budget]\ncrop_s = 4.0\n", within_budget=True)
    assert cropped.note.startswith("An epoch hears one of a clip's 6 segments")
