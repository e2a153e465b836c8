"""Generate English-French sentence pairs from a small grammar: demo training data for a translator.

    python grammar.py OUT.tsv --count 2600 --seed 0

Each line is ``english<TAB>french`` (UTF-8, LF, no header). All English sides differ, a seed always gives the same
file, and the file appears whole or not at all. The output is dedicated to the public domain (CC0 1.0).

A pattern below picks words from ``grammar_words`` whose tags go together, and ``grammar_phrases`` builds both sides in
step. French is first written in full ("que elle ne a pas", "de le arbre", "le *hibou"), then elided and contracted.

    rule                                        example                                          where
    determiner, adjective and noun agree        these new houses / ces nouvelles maisons         Chooser.phrase
    adjective place, and form before a vowel    an old tree / un vieil arbre; une clé rouge      Chooser.phrase
    partitive; "de" negated or before adj.      some tea, any tea / du thé, pas de thé           french_determiner
    elision and contraction                     the owl, to the hotel / le hibou, à l'hôtel      polish
    third person -s, do, can, must, going to    she does not eat / elle ne mange pas             english_clause
    participle: subject (être), object before   she went / est allée; que j'ai prises            french_clause
    object pronoun before the verb              I helped them / je les ai aidés                  french_clause
    "you" is tu; vous with sir, madam, please   are you cold, sir? / est-ce que vous avez ...    Chooser.pronoun
    I, we, you, they, them: masculine           we are tired / nous sommes fatigués              pronouns

Sources of truth: general knowledge of the two languages, set down in ``grammar_words``; no third-party text.
"""

import argparse
import os
from collections import Counter
from collections.abc import Callable, Collection
from functools import partial
from itertools import permutations
from pathlib import Path

import grammar_words as tables
from grammar_phrases import DEFINITE, EMPTY, INDEFINITE, Chooser, Phrase, again, clause, copula, share
from grammar_words import Pair, agree, conjugate, finish, join, noun_forms, split

FAMILIES = ("object", "place", "motion")
TENSES = ("present", "past", "future", "want", "can", "must")
POLITE = ("question", "open question", "what", "counting", "sensation")  # patterns that may say "sir" or "madam"
MAX_SHARE = 0.12  # of the output, for any one pattern


class Grammar(Chooser):
    """The sentence patterns. Each returns a pair without its full stop; questions and orders have their own mark."""

    def statement(self, *tenses: str, mode: str = "", families: Collection[str] = FAMILIES) -> Pair:
        """Subject, verb and complement: "my sister is going to open the door tonight"."""
        tense = self.rng.choice(tenses)
        verb = self.verb(tense, *families)
        subject = self.actor(verb, tense)
        pair = clause(subject, verb, tense, mode, self.complement(verb, subject, mode))
        return pair if tense == "present" and verb.group[0] in ("sense", "state") else self.timed(pair, tense)

    def habit(self) -> Pair:
        adverb, verb = split(self.rng.choice(tables.FREQUENCY)), self.verb("want", *FAMILIES)
        subject, mode = self.actor(verb, "present"), "never" if adverb[0] == "never" else "habit"
        return clause(subject, verb, "present", mode, self.complement(verb, subject, mode), adverb)

    def question(self, *openings: str) -> Pair:
        """A question to answer by yes or no, or opened by where, when, why or what."""
        opening, tense = split(self.rng.choice(openings)), self.rng.choice(("progressive", *TENSES[:4]))
        if opening[0] == "what":
            verb = self.verb(tense, "object", among=tables.OPEN_OBJECT)
        else:
            verb = self.verb(tense, "object", *(() if opening[0] == "where" else ("place", "motion")))
        subject = self.actor(verb, tense, "?")
        tail = EMPTY if opening[0] == "what" else self.complement(verb, subject, "which" if opening[0] else "?")
        return self.asked(join(opening, clause(subject, verb, tense, "?", tail)))

    def who(self) -> Pair:
        tense = self.rng.choice(("progressive", "past", "future", "want"))
        verb = self.verb(tense, "object", "motion")
        return self.asked(clause(Phrase(("who", "qui")), verb, tense, "", self.complement(verb, mode="order")))

    def counting(self) -> Pair:
        """How many: the French participle agrees with the object, which stands before it."""
        verb = self.verb("present", "object", among=[verb for verb in tables.OPEN_OBJECT if verb != "drink"])
        noun = self.rng.choice([noun for noun in self.nouns if "mass" not in noun.tags and share(noun.tags, verb.tags)])
        tense = "present" if verb.group[0] == "state" else self.rng.choice(("past", "past", "future", "want"))
        target = Phrase(noun_forms(noun, True), 5, "f" in noun.tags, True)
        asked = clause(self.actor(verb, tense, "?"), verb, tense, "?", target=target)
        return self.asked(join(("how many", "combien de"), target.pair, asked))

    def with_pronoun(self) -> Pair:
        tense, mode = self.rng.choice(TENSES), "not" if self.chance(0.25) else ""
        verb = self.verb(tense, "object", takes=["person"])
        subject = self.actor(verb, tense)
        other = self.other(subject)
        pair = clause(subject, verb, tense, mode, (other.oblique, ""), clitic=other.direct, target=other)
        return self.timed(pair, tense, 0.25 if verb.group[0] == "act" else 0)

    def giving(self) -> Pair:
        """A gift: "she gives the book to Paul", or "she gives him the book"."""
        tense = self.rng.choice(("progressive", *TENSES))
        verb = self.verb(tense, "gift")
        subject = self.actor(verb, tense)
        thing = self.object(verb).pair
        if self.chance(0.5):
            other = self.other(subject)
            return clause(subject, verb, tense, "", join((other.oblique, ""), thing), clitic=other.dative)
        return clause(subject, verb, tense, "", join(thing, ("to", "à"), self.person(subject).pair))

    def sequence(self) -> Pair:
        """Two acts: "Paul takes the key and hides it"; the French pronoun comes first and has a gender."""
        tense = self.rng.choice(("present", "past", "past"))
        then = self.verb(tense, "object", among=tables.THEN)
        nouns = [noun for noun in self.nouns if share(noun.tags, then.tags) and share(noun.tags, ("goods", "hand"))]
        thing = self.phrase(self.rng.choice(nouns), INDEFINITE)
        first = self.verb(tense, "object", among=("take", "buy", "bring"), takes=thing.tags)
        subject = self.actor(first, tense)
        clitic = "les" if thing.plural else "la" if thing.feminine else "le"
        tail = ("them" if thing.plural else "it", "")
        second = clause(again(subject), then, tense, "", tail, clitic=clitic, target=thing)
        return join(clause(subject, first, tense, "", thing.pair), ("and", "et"), second)

    def description(self) -> Pair:
        """A subject and an adjective: "the house was not very big"."""
        adjective = self.rng.choice([word for word in self.adjectives if word.group[0] != "prenominal"])
        subject, past = self.subject(adjective.group[1:], DEFINITE), self.chance(0.3)
        mode = self.rng.choice(("", "", "", "not", "?" if subject.slot else ""))
        degree = split(self.rng.choice(("|", "|", "very|très", "too|trop"))) if adjective.english[1:] else EMPTY
        tail = join(degree, self.predicate(adjective, subject))
        pair = copula(subject, tail, mode, tables.WAS, "was") if past else copula(subject, tail, mode)
        return self.asked(pair) if mode == "?" else pair

    def sensation(self) -> Pair:
        """To be in English, to have in French: "I am hungry", "j'ai faim"."""
        subject, past = self.subject(["person"], DEFINITE), self.chance(0.3)
        mode = "?" if self.address and subject.slot else self.rng.choice(("", "", "not"))
        tail = split(self.rng.choice(tables.SENSATIONS))
        pair = copula(subject, tail, mode, tables.WAS, "had") if past else copula(subject, tail, mode, french="has")
        return self.asked(pair) if mode == "?" else pair

    def identity(self) -> Pair:
        """What it is: "this is not an old house", "these are my keys", "she is my friend"."""
        if self.chance(0.4):
            index = self.rng.randrange(len(tables.NAMES))
            who = self.rng.choice([(tables.NAMES[index], tables.NAMES[index]), ("she" if index >= 3 else "he", "ce")])
            return join(who, ("is", "est"), self.role(index >= 3, adjective=0.5).pair)
        noun = self.rng.choice([noun for noun in self.nouns if not share(noun.tags, ("mass", "public", "duo"))])
        thing, mode = self.phrase(noun, "a my", adjective=0.5), self.rng.choice(("", "", "not"))
        subject = "these" if thing.plural else self.rng.choice(("this", "it"))
        return copula(Phrase((subject, "ce"), thing.slot), thing.pair, mode)

    def there(self) -> Pair:
        mode = self.rng.choice(("", "", "no", "?"))
        tags = ["common", "animal", "hand", "food", "drink", "vehicle", "thing", "nature"]
        thing = self.phrase(self.noun(tags), "a" if mode else "a two", mode)
        be = "are" if thing.plural else "is"
        french = {"": "il y a", "no": "il ne y a pas", "?": "est-ce que il y a"}[mode]
        opening = (f"{be} there" if mode == "?" else f"there {be}", french)
        pair = join(opening, thing.pair, self.place(thing.tags, thing.noun))
        return self.asked(pair) if mode == "?" else pair

    def comparison(self) -> Pair:
        """Two of a kind: "the horse is bigger than the dog", "she is as tall as me"."""
        adjective = self.rng.choice([word for word in self.adjectives if word.english[1:]])
        suited = [noun for noun in self.nouns if share(noun.tags, adjective.group[1:]) and noun.group[0] != "duo"]
        pairs = [pair for pair in permutations(suited, 2) if pair[0].group[0] == pair[1].group[0]]
        first, second = self.rng.choice(pairs)
        if "person" in first.tags and self.chance(0.5):
            subject = self.pronoun()
            other = self.other(subject)
            pair = (other.oblique, other.stressed)
        else:
            subject = self.phrase(first, DEFINITE, adjective=0)
            pair = self.phrase(second, DEFINITE, adjective=0).pair
        english, french = self.predicate(adjective, subject)
        if self.chance(0.6):
            french = agree(["meilleur"], subject.feminine, subject.plural) if english == "good" else f"plus {french}"
            return copula(subject, join((adjective.english[1], french), ("than", "que"), pair))
        return copula(subject, join((f"as {english} as", f"aussi {french} que"), pair), self.rng.choice(("", "not")))

    def relative_object(self) -> Pair:
        """With que: "the letter that Marie wrote is long"; the French participle agrees with "letter"."""
        tense = self.rng.choice(("present", "progressive", "past", "past"))
        verb = self.verb(tense, "object", among=("have", "know", "love", "see") if tense == "present" else ())
        noun = self.rng.choice([noun for noun in self.nouns if "kin" not in noun.tags and share(noun.tags, verb.tags)])
        thing, adjective = self.phrase(noun, "the", adjective=0), self.rng.choice(self.fitting(noun, "before", "after"))
        pair = join(thing.pair, ("that", "que"), clause(self.actor(verb, tense, "that"), verb, tense, target=thing))
        return copula(thing._replace(pair=pair), self.predicate(adjective, thing), self.rng.choice(("", "", "not")))

    def relative_subject(self) -> Pair:
        """With qui: "I know the woman who is reading a book"."""
        tense, then = self.rng.choice((("present", "progressive"), ("present", "past"), ("past", "past")))
        verb = self.verb(tense, "object", among=("see", "know", "help", "call", "look for", "listen to"))
        people = [noun for noun in self.nouns if noun.group[0] == "person" and "kin" not in noun.tags]
        person = self.phrase(self.rng.choice(people), "the", plural=False, adjective=0.1)
        action = self.verb(then, *FAMILIES)
        subject = person._replace(pair=("who", "qui"))
        relative = clause(subject, action, then, "", self.complement(action, person))
        return join(clause(self.actor(verb, tense), verb, tense, "", person.pair), relative)

    def possession(self) -> Pair:
        """Whose: "the teacher's book", "le livre du professeur"."""
        noun = self.noun(["hand", "parked", "animal"])
        thing, tense = self.phrase(noun, "all", adjective=0), self.rng.choice(TENSES[:3])
        verb = self.verb(tense, "object", among=("take", "look for", "find", "see", "look at"), takes=noun.tags)
        subject = self.actor(verb, tense)
        owner = self.person(subject)
        mark = "'" if owner.noun and owner.plural and owner.pair[0].endswith("s") else "'s"
        of_owner = "de " + owner.pair[1].replace(" et ", " et de ")
        pair = join((owner.pair[0] + mark, ""), thing.pair, ("", of_owner))
        if self.chance(0.5):
            return clause(subject, verb, tense, tail=pair)
        adjective = self.rng.choice(self.fitting(noun, "before", "after", "predicate"))
        tail = self.place(noun.tags, noun) if self.chance(0.5) else self.predicate(adjective, thing)
        return copula(thing._replace(pair=pair), tail)

    def order(self) -> Pair:
        """Imperatives: "open the door!", "let us go to school!", "please wait for the doctor!"."""
        verb, slot = self.verb("want", "object", "motion"), self.rng.choice((1, 1, 3, 4))
        mode = "not" if slot != 3 and self.chance(0.3) else ""
        self.address = "sir" if slot == 4 else ""
        tail, form = self.complement(verb, mode=mode or "order"), conjugate(verb)[2][slot]
        form = form[:-1] if slot == 1 and form[-2:] in ("es", "as") else form
        opening, ending = {1: "", 3: "let us", 4: "please"}[slot], ", s'il vous plaît" * (slot == 4)
        opening, ne, pas = (f"{opening} do not", "ne", "pas") if mode else (opening, "", "")
        english, french = join((opening.strip(), ne), (verb.english[0], form), ("", pas), tail)
        return f"{english}!", f"{french}{ending} !"

    def taste(self) -> Pair:
        """Likes: "she likes tea but prefers coffee"; French has the article for things in general."""
        like, prefer = (verb for verb in self.verbs if verb.group[0] == "taste")
        noun, subject = self.noun(like.tags), self.subject(["person"], DEFINITE)
        mode = self.rng.choice(("", "", "not", "?" if subject.slot else ""))
        pair = clause(subject, like, "present", mode, self.phrase(noun, "all", plural=True).pair)
        if mode:
            return self.asked(pair) if mode == "?" else pair
        other = self.noun(noun.group[:1], noun)
        more = clause(again(subject), prefer, "present", "", self.phrase(other, "all", plural=True).pair)
        return join(pair, ("but", "mais"), more)

    def where(self) -> Pair:
        """Where something is: "where are my keys?"."""
        thing = self.phrase(self.noun(["hand", "animal", "person", "vehicle"]), DEFINITE)
        french = "où sont" if thing.plural else "où est"
        return self.asked(join(("where are" if thing.plural else "where is", french), thing.pair))

    def patterns(self) -> dict[str, tuple[int, Callable[[], Pair]]]:
        """Every pattern with its weight."""
        say, asking = self.statement, ("where|où", "when|quand", "why|pourquoi")
        return {
            "present": (5, partial(say, "present")), "progressive": (5, partial(say, "progressive")),
            "past": (6, partial(say, "past")), "future": (5, partial(say, "future")),
            "modal": (5, partial(say, "want", "can", "must")), "negation": (7, partial(say, *TENSES, mode="not")),
            "motion": (4, partial(say, *TENSES, families=["motion"])), "habit": (4, self.habit),
            "activity": (4, partial(say, "progressive", *TENSES, families=["place"])),
            "question": (5, partial(self.question, "|")), "open question": (4, partial(self.question, *asking)),
            "what": (3, partial(self.question, "what|que")), "who": (2, self.who), "where": (3, self.where),
            "counting": (3, self.counting), "pronoun": (6, self.with_pronoun), "giving": (4, self.giving),
            "sequence": (5, self.sequence), "description": (6, self.description), "sensation": (2, self.sensation),
            "identity": (5, self.identity), "there": (5, self.there), "comparison": (6, self.comparison),
            "relative object": (5, self.relative_object), "relative subject": (4, self.relative_subject),
            "possession": (5, self.possession), "order": (5, self.order), "taste": (3, self.taste),
        }  # fmt: skip


def generate(count: int, seed: int) -> tuple[dict[str, str], Counter[str]]:
    """Return ``count`` pairs, keyed by the English side, and how many came from each pattern."""
    grammar, pairs, tally = Grammar(seed), dict[str, str](), Counter[str]()
    patterns = grammar.patterns()
    names, weights = list(patterns), [weight for weight, _ in patterns.values()]
    for _ in range(100 * count):
        name = grammar.rng.choices(names, weights)[0]
        grammar.address = grammar.rng.choice(("", "", "", "sir", "madam")) if name in POLITE else ""
        english, french = finish(patterns[name][1]())
        if english not in pairs and tally[name] < max(1, int(MAX_SHARE * count)):
            pairs[english] = french
            tally[name] += 1
        if len(pairs) == count:
            return pairs, tally
    raise SystemExit(f"error: found only {len(pairs)} different sentences; ask for fewer")


def main() -> None:
    parser = argparse.ArgumentParser(description="Write English-French sentence pairs made from a small grammar.")
    parser.add_argument("output", type=Path, metavar="OUT.tsv")
    parser.add_argument("--count", type=int, default=2600, help="number of pairs (default: 2600)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random choices (default: 0)")
    options = parser.parse_args()
    if options.count < 1:
        parser.error("--count must be at least 1")
    pairs, tally = generate(options.count, options.seed)
    temporary = options.output.with_name(options.output.name + ".tmp")
    text = "".join(f"{english}\t{french}\n" for english, french in pairs.items())
    temporary.write_text(text, encoding="utf-8", newline="\n")
    os.replace(temporary, options.output)
    name, largest = tally.most_common(1)[0]
    print(f"{len(pairs)} pairs from {len(tally)} patterns, at most {largest / len(pairs):.1%} from one ({name})")


if __name__ == "__main__":
    main()
