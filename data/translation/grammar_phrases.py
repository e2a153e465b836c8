"""Phrases and clauses of ``grammar.py``: agreement, elision, word order, and the random choice of words that fit.

Everything is built as a pair, English and French. A sentence has a mode: "" (plain), "habit" (with often, always),
"never", "not", "no" (after "there is") or "?"; it decides on auxiliaries, negation, and "some", "any" or "de". The
objects in an "order", and with "which" after where, when and why, are mostly definite.
"""

import random
from collections.abc import Collection, Sequence
from typing import NamedTuple

import grammar_words as tables
from grammar_words import Pair, Word, agree, conjugate, inflect, join, noun_forms, parse, split, vowel

EMPTY = ("", "")
DEFINITE = "the the the this my"  # kinds of determiner, repeated by weight
INDEFINITE = "the the a a a this my two"


class Phrase(NamedTuple):
    """A noun phrase or pronoun; ``slot`` 0 to 5 is je, tu, il, nous, vous, ils, and gives the verb its form."""

    pair: Pair
    slot: int = 2
    feminine: bool = False
    plural: bool = False
    noun: Word | None = None
    oblique: str = ""
    direct: str = ""
    dative: str = ""
    stressed: str = ""

    @property
    def tags(self) -> list[str]:
        return self.noun.tags if self.noun else ["person"]


NOBODY = Phrase(EMPTY)


def pronouns() -> list[Phrase]:
    """The six subject pronouns, then the polite vous; a gender that English leaves open is masculine."""
    found = []
    for english, oblique, french, direct, dative, stressed, slot in map(str.split, tables.PRONOUNS):
        plural = english in ("we", "they")
        found.append(
            Phrase((english, french), int(slot), english == "she", plural, None, oblique, direct, dative, stressed)
        )
    return found


def english_determiner(kind: str, following: str, mass: bool, plural: bool, mode: str) -> str:
    if kind == "a":
        if plural or mass or mode == "no":
            return tables.SOME.get(mode, "some")
        return "an" if following[0] in "aeiou" else "a"
    return {"all": "", "your (vous)": "your", "this": "these" if plural else "this"}.get(kind, kind)


def french_determiner(kind: str, following: str, mass: bool, plural: bool, mode: str, feminine: bool) -> str:
    if kind in tables.NUMBERS:
        return tables.NUMBERS[kind]
    if kind == "a" and mode in ("not", "never", "no"):
        return "de"
    forms = tables.DETERMINERS["some" if kind == "a" and mass else kind].split()
    form = forms[2 if plural else feminine].replace("_", " ")
    return tables.BEFORE_VOWEL.get(form, form) if vowel(following) else form


def english_clause(subject: Phrase, verb: Word, tense: str, mode: str, adverb: str) -> str:
    name, third = subject.pair[0], subject.slot == 2
    base = f"want to {verb.english[0]}" if tense == "want" else verb.english[0]
    auxiliary, rest = "did" if tense == "past" else "does" if third else "do", base
    if tense in ("can", "must"):
        auxiliary = tense
    elif tense == "progressive":
        auxiliary, rest = tables.BE[subject.slot], inflect(base, "ing")
    elif tense == "future":
        auxiliary, rest = tables.BE[subject.slot], f"going to {base}"
    if mode == "?":
        return f"{auxiliary} {name} {rest}"
    if mode == "not":
        return f"{name} {auxiliary} not {rest}".replace("can not", "cannot")
    if auxiliary in ("do", "does", "did"):  # only questions and negation need them
        auxiliary, rest = adverb, verb.english[1] if tense == "past" else inflect(base, "s") if third else base
    return " ".join(filter(None, (name, auxiliary, rest)))


def french_clause(subject: Phrase, verb: Word, tense: str, mode: str, adverb: str, clitic: str, target: Phrase) -> str:
    """Subject, negation, object pronoun, verb; the past participle agrees with ``target``, an object placed before."""
    infinitive, participle, present = conjugate(verb)
    etre = verb.french[0].startswith("+")
    clitic = tables.FRENCH["self"][subject.slot] if "se " in verb.french[0] else clitic
    before, finite, after = clitic, present[subject.slot], ""
    if tense == "past":
        finite = tables.FRENCH["is" if etre else "has"][subject.slot]
        target = subject if etre else target
        after = agree([participle], target.feminine, target.plural)
    elif tense in tables.FRENCH:
        before, finite, after = "", tables.FRENCH[tense][subject.slot], f"{clitic} {infinitive}".strip()
    negation = {"not": "pas", "never": "jamais"}.get(mode, "")
    opening = "est-ce que" if mode == "?" else ""
    parts = (opening, subject.pair[1], "ne" if negation else "", before, finite, negation or adverb, after)
    return " ".join(filter(None, parts))


def clause(
    subject: Phrase, verb: Word, tense: str, mode: str = "", tail: Pair = EMPTY, adverb: Pair = EMPTY, *,
    clitic: str = "", target: Phrase = NOBODY,
) -> Pair:  # fmt: skip
    """A clause with what follows its verb (``tail``) and, in French, an object pronoun (``clitic``)."""
    english = english_clause(subject, verb, tense, mode, adverb[0])
    return join((english, french_clause(subject, verb, tense, mode, adverb[1], clitic, target)), tail)


def copula(subject: Phrase, tail: Pair, mode: str = "", english: Sequence[str] = tables.BE, french: str = "is") -> Pair:
    """A form of "to be" (être, or avoir in "avoir faim") with its complement."""
    (name, nom), be, etre = subject.pair, english[subject.slot], tables.FRENCH[french][subject.slot]
    if mode == "?":
        return join((f"{be} {name}", f"est-ce que {nom} {etre}"), tail)
    if mode == "not":
        return join((f"{name} {be} not", f"{nom} ne {etre} pas"), tail)
    return join((f"{name} {be}", f"{nom} {etre}"), tail)


def again(subject: Phrase) -> Phrase:
    """The same subject in a second clause: left out, except a French pronoun."""
    return subject._replace(pair=("", subject.pair[1] if subject.oblique else ""))


def share(some: Collection[str], others: Collection[str]) -> bool:
    return not set(some).isdisjoint(others)


def family(verb: Word) -> str:
    """What a verb needs after it: an object, a destination, a place; or a pattern of its own (gift, taste)."""
    if verb.group[0] in ("gift", "taste"):
        return verb.group[0]
    return "motion" if "goto" in verb.tags else "object" if verb.tags else "place"


class Chooser:
    """Random words and phrases that fit together."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.nouns, self.adjectives = parse(tables.NOUNS), parse(tables.ADJECTIVES)
        self.verbs, self.prepositions = parse(tables.VERBS, inherit=False), parse(tables.PREPOSITIONS, inherit=False)
        self.pronouns = pronouns()
        self.address = ""  # "sir" or "madam" where "you" is polite

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def noun(self, tags: Collection[str], but: Word | None = None) -> Word:
        """A noun with one of the tags; the feminine of "friend" is left to ``role``, where English shows the gender."""
        nouns = [noun for noun in self.nouns if noun is not but and noun.group[0] != "duo"]
        return self.rng.choice([noun for noun in nouns if share(noun.tags, tags)])

    def verb(self, tense: str, *families: str, among: Collection[str] = (), takes: Collection[str] = ()) -> Word:
        """A verb that has the tense; perhaps among a few, perhaps one whose objects have one of the tags."""
        fitting = [verb for verb in self.verbs if tense in tables.SOME_TENSES.get(verb.group[0], (tense,))]
        fitting = [verb for verb in fitting if family(verb) in families and (not among or verb.english[0] in among)]
        return self.rng.choice([verb for verb in fitting if not takes or share(verb.tags, takes)])

    def fitting(self, noun: Word, *places: str) -> list[Word]:
        """The adjectives that suit a noun and stand in one of the places."""
        return [word for word in self.adjectives if word.group[0] in places and share(word.group[1:], noun.tags)]

    def kind(self, noun: Word, kinds: str) -> str:
        """Choose a determiner that suits the noun."""
        options = ["my"] if "kin" in noun.tags and kinds != "all" else kinds.split()
        if share(noun.tags, ("common", "public")):
            options = [option for option in options if option != "my"]
        if "mass" in noun.tags:
            options = [option for option in options if option != "two"]
        kind = self.rng.choice(options)
        if kind == "my":
            kind = self.rng.choice(tables.POSSESSIVES)
            return "your (vous)" if kind == "your" and self.address else kind
        return self.rng.choice(list(tables.NUMBERS)) if kind == "two" else kind

    def phrase(
        self, noun: Word, kinds: str, mode: str = "", plural: bool | None = None, adjective: float = 0.2
    ) -> Phrase:
        """A determiner, a noun and, with the given probability, an adjective that suits it."""
        kind, feminine, mass, before = self.kind(noun, kinds), "f" in noun.tags, "mass" in noun.tags, False
        many = self.chance(0.3) if plural is None else plural
        many = kind in tables.NUMBERS or (many and not mass and "single" not in noun.tags)
        english, french = noun_forms(noun, many)
        fitting = self.fitting(noun, "before", "prenominal", *([] if "kin" in noun.tags else ["after"]))
        if fitting and self.chance(adjective):
            word = self.rng.choice(fitting)
            before = word.group[0] != "after"
            form = agree(word.french, feminine, many, french if before else "")
            english, french = f"{word.english[0]} {english}", f"{form} {french}" if before else f"{french} {form}"
        determiner = french_determiner(kind, french, mass, many, mode, feminine)
        determiner = "de" if determiner == "des" and before else determiner
        pair = join((english_determiner(kind, english, mass, many, mode), determiner), (english, french))
        return Phrase(pair, 5 if many else 2, feminine, many, noun)

    def pronoun(self) -> Phrase:
        pronoun = self.rng.choice(self.pronouns[:6])
        if pronoun.slot == 1 and self.address:
            return self.pronouns[6]._replace(feminine=self.address == "madam")
        return pronoun

    def role(self, feminine: bool, adjective: float = 0) -> Phrase:
        """Someone like "my friend" or "our new neighbour", of a given gender."""
        nouns = [noun for noun in self.nouns if "duo" in noun.tags and feminine == ("f" in noun.tags)]
        return self.phrase(self.rng.choice(nouns), "my", plural=False, adjective=adjective)

    def named(self) -> Phrase:
        """A person's name, "my friend" and a name, or two names."""
        first, second = self.rng.sample(range(len(tables.NAMES)), 2)
        one, feminine = (tables.NAMES[first], tables.NAMES[first]), first >= 3
        if self.chance(0.2):
            pair = join(one, ("and", "et"), (tables.NAMES[second], tables.NAMES[second]))
            return Phrase(pair, 5, feminine and second >= 3, plural=True)
        return Phrase(join(self.role(feminine).pair, one) if self.chance(0.3) else one, 2, feminine)

    def subject(self, tags: Collection[str], kinds: str = DEFINITE, adjective: float = 0) -> Phrase:
        """Something or someone with one of the tags; people are most often a pronoun or a name."""
        if "person" not in tags or self.chance(0.45):
            return self.phrase(self.noun(tags), kinds, adjective=adjective)
        return self.named() if self.chance(0.25) else self.pronoun()

    def actor(self, verb: Word, tense: str, mode: str = "") -> Phrase:
        """A subject for the verb, but not in "I read" (past or present?) or "do I sleep?"."""
        kinds = DEFINITE if mode else DEFINITE + " two"
        unclear = tense == "past" and verb.english[0] == verb.english[1]
        while True:
            subject = self.subject(verb.group[1:], kinds, 0.1)
            if not (unclear and subject.slot != 2) and not (mode == "?" and subject.slot == 0):
                return subject

    def person(self, but: Phrase = NOBODY) -> Phrase:
        """Someone else than a given person."""
        while True:
            person = self.named() if self.chance(0.35) else self.phrase(self.noun(["person"], but.noun), DEFINITE)
            if not share({*person.pair[0].split()} & {*tables.NAMES}, but.pair[0].split()):
                return person

    def place(self, tags: Collection[str], but: Word | None = None) -> Pair:
        """Where someone or something with such tags can be."""
        row = self.rng.choice([row for row in self.prepositions if share(row.group, tags)])
        where = self.phrase(self.noun(row.tags, but), DEFINITE, plural=False, adjective=0.1).pair
        return join((row.english[0], row.french[0]), where)

    def object(self, verb: Word, mode: str = "", but: Word | None = None) -> Phrase:
        """An object; it is a definite one except in plain statements and with verbs like "eat"."""
        if mode in ("habit", "never") and verb.english[0] in tables.OPEN_OBJECT:
            return self.phrase(self.noun(verb.tags, but), "a", mode, plural=True)
        closed = mode == "which" or (bool(mode) and verb.english[0] not in tables.OPEN_OBJECT)
        closed = closed or verb.english[0] in tables.CLOSED_OBJECT
        kinds = DEFINITE if closed else INDEFINITE.replace("two", "my") if mode else INDEFINITE
        return self.phrase(self.noun(verb.tags, but), kinds, mode)

    def complement(self, verb: Word, subject: Phrase = NOBODY, mode: str = "") -> Pair:
        """What follows the verb: an object, a destination, or perhaps a place."""
        if family(verb) == "object":
            return self.object(verb, mode, subject.noun).pair
        if family(verb) == "motion":
            goal = self.phrase(self.noun(["goto"]), "the the the this", plural=False, adjective=0.1).pair
            return join(("", verb.tags[0]), (goal[0].replace("the school", "school"), goal[1]))
        if verb.group[0] == "brief" or (verb.group[0] == "act" and self.chance(0.2)):
            return EMPTY
        return self.place(["home"] if verb.group[0] == "state" else subject.tags)

    def other(self, subject: Phrase) -> Phrase:
        """A pronoun for someone else: not "I see me", "we see me" or "he sees him"."""
        same = subject.slot % 3 if subject.slot % 3 != 2 else None
        others = [pronoun for pronoun in self.pronouns[:6] if pronoun.slot % 3 != same]
        return self.rng.choice([pronoun for pronoun in others if pronoun.pair != subject.pair])

    def predicate(self, adjective: Word, subject: Phrase) -> Pair:
        return adjective.english[0], agree(adjective.french, subject.feminine, subject.plural)

    def timed(self, pair: Pair, tense: str, probability: float = 0.35) -> Pair:
        """Perhaps add a time to a sentence, at its end or (past and future) its beginning."""
        if tense not in tables.TIMES or not self.chance(probability):
            return pair
        time = split(self.rng.choice(tables.TIMES[tense]))
        if tense in ("past", "future") and self.chance(0.25):
            return join((f"{time[0]},", f"{time[1]},"), pair)
        return join(pair, time)

    def asked(self, pair: Pair) -> Pair:
        english, french = {"": EMPTY, "sir": (", sir", ", monsieur"), "madam": (", madam", ", madame")}[self.address]
        return f"{pair[0]}{english}?", f"{pair[1]}{french} ?"
