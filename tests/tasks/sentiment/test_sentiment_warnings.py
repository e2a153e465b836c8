"""What a caller is told of each text."""

from test_sentiment_serving import INVALID, LONG, MOST, NO_TOKEN, UNKNOWN, made, warnings_of

# --- warnings ---


def test_each_row_is_told_what_was_wrong_with_it():
    texts = {
        "The room was warm.": "",
        "": NO_TOKEN,
        "\x07 \t": NO_TOKEN,
        "warm " * MOST: "",
        "warm " * (MOST + 1): LONG,
        "warm zzz": "",  # no more than half
        "warm zzz qqq": UNKNOWN,
        "zzz": UNKNOWN,
        "<unk> <pad>": UNKNOWN,
        b"warm \xff food": INVALID,  # what replaces a byte is a token too, one unknown of three
        b"\xff": f"{UNKNOWN} {INVALID}",
        b"\xff zzz " * MOST: f"{LONG} {UNKNOWN} {INVALID}",
        "zzz " * MOST + "warm " * MOST: f"{LONG}",
        "日本 🙂": "",
    }
    assert warnings_of(made()[0], list(texts)) == list(texts.values())


def test_byte_pairs_and_characters_are_told_what_applies_to_them():
    texts = ["warm", "", " ", b"\xff", "zzz", "warm food " * MOST]
    assert warnings_of(made("byte_pair")[0], texts) == ["", NO_TOKEN, "", INVALID, "", LONG]
    assert warnings_of(made("character")[0], texts) == ["", NO_TOKEN, "", f"{UNKNOWN} {INVALID}", UNKNOWN, LONG]
