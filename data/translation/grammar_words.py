"""The words of ``grammar.py`` in tables, and their forms: plural, feminine, conjugation, elision.

A lexicon group is ``tags: entry; entry.`` and an entry ``english[/form] french[/form...] [more tags]``, "_" being a
space. Tags say which words go together: a verb lists those of its objects, an adjective those of its nouns.

    nouns         the other form is a plural, unless regular; "*" marks h aspiré; "f" or "m" is the gender; the first
                  tag groups things that can be compared; "kin" wants a possessive, "common" and "public" none;
                  "duo" has nouns of both genders for one English word
    adjectives    the comparative, if any; the feminine, unless regular, and the masculine before a vowel; the first
                  tag is the place: before or after the noun, prenominal (only before it), predicate (only after "is")
    verbs         the past; the participle and six present forms, or for regular -er verbs at most a stressed stem;
                  "+" takes être; the group is a kind and the subjects: act (in every tense), chance, sense and
                  state (in some), stay (a place must follow), brief (no place), gift, taste
    prepositions  the group lists who or what is there, the entry's tags the places
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

NOUNS = """
person common: man/men homme m adult; woman/women femme f adult; boy garçon m; girl fille f; child/children enfant m.
person role: teacher professeur m adult; doctor médecin m adult; neighbour voisin m adult duo; student étudiant m duo.
person kin: brother frère m; sister sœur f; friend ami m duo role; mother mère f adult single;
    father père m adult single.
duo role: neighbour voisine f; student étudiante f; friend amie f kin.
animal: dog chien m; cat chat m; horse cheval/chevaux m fine fast strong; bird oiseau m fine; owl *hibou/*hiboux m;
    mouse/mice souris f.
food goods piece: apple pomme f fruit; egg œuf m; cake gâteau m made; bean *haricot m.
food goods mass: bread pain m made; cheese fromage m.
drink mass: water eau f; coffee café m made goods; tea thé m made goods; milk lait m goods.
heard long: song chanson f written; story histoire f text written.
text hand goods long: book livre m written opens; newspaper journal/journaux m.
text hand long: letter lettre f written sealed.
hand goods: key clé f; knife/knives couteau m wash; glass verre m wash fragile hollow; hat chapeau m paint;
    umbrella parapluie m paint; clock horloge f fragile; box boîte f container opens weight paint hollow;
    bag sac m container opens weight paint hollow.
thing opens landmark: door porte f paint; window fenêtre f wash fragile.
thing goods surface: table table f weight fragile; chair chaise f weight fragile.
vehicle goods parked: car voiture f paint fast wash; bike vélo m paint fast wash.
vehicle public: train train m fast awaited.
nature goods: tree arbre m fine landmark shade; flower fleur f fine bloom.
place: house maison f fine inside landmark hollow room goods home; garden jardin m fine inside outside yard;
    kitchen cuisine f inside room wash.
place public inside goto: hospital hôpital/hôpitaux m landmark; school école f landmark; park parc m fine outside yard;
    hotel hôtel m landmark home.
place public goto landmark: station gare f; market marché m; church église f fine.
place public inside: street rue f outside hollow; city ville f fine home.
"""
ADJECTIVES = """
before hand thing vehicle animal place nature piece: big/bigger grand; small/smaller petit.
before hand thing vehicle animal place adult shade: old/older vieux/vieille/vieil.
before person animal: young/younger jeune.
before fine: beautiful/more_beautiful beau/belle/bel.
before food drink text heard: good/better bon/bonne.
prenominal role: good bon/bonne.
before long: long/longer long/longue.
prenominal hand thing vehicle place role heard: new nouveau/nouvelle/nouvel.
after paint bloom animal: white blanc/blanche.
after paint animal: black noir.
after paint bloom fruit: red rouge.
after paint fruit: green vert.
after paint bloom: blue bleu.
after goods: expensive/more_expensive cher/chère.
after weight: heavy/heavier lourd.
after drink: hot/hotter chaud; cold/colder froid.
after person strong: strong/stronger fort.
after person: happy/happier heureux/heureuse.
after adult: rich/richer riche.
after hollow: empty vide.
after text heard: interesting/more_interesting intéressant.
after fast: fast/faster rapide.
predicate person animal: tired/more_tired fatigué.
predicate person shade: tall/taller grand.
predicate opens: open ouvert; closed fermé.
"""
VERBS = """
act person: eat/ate manger food; drink/drank boire/bu/bois/bois/boit/buvons/buvez/boivent drink;
    read/read lire/lu/lis/lis/lit/lisons/lisez/lisent text; listen_to/listened_to écouter person heard;
    write/wrote écrire/écrit/écris/écris/écrit/écrivons/écrivez/écrivent written; close/closed fermer opens;
    open/opened ouvrir/ouvert/ouvre/ouvres/ouvre/ouvrons/ouvrez/ouvrent opens sealed; buy/bought acheter/achèt goods;
    sell/sold vendre/vendu/vends/vends/vend/vendons/vendez/vendent goods; hide/hid cacher hand piece;
    take/took prendre/pris/prends/prends/prend/prenons/prenez/prennent hand piece; wash/washed laver wash fruit;
    wait_for/waited_for attendre/attendu/attends/attends/attend/attendons/attendez/attendent person awaited;
    help/helped aider person; call/called appeler/appell person; bring/brought apporter hand food drink;
    finish/finished finir/fini/finis/finis/finit/finissons/finissez/finissent text;
    make/made faire/fait/fais/fais/fait/faisons/faites/font made; work/worked travailler; sing/sang chanter;
    go_to/went_to +aller/allé/vais/vas/va/allons/allez/vont à goto;
    come_back_from/came_back_from +revenir/revenu/reviens/reviens/revient/revenons/revenez/reviennent de goto.
act person animal: look_at/looked_at regarder person animal nature vehicle;
    look_for/looked_for chercher hand animal person;
    sleep/slept dormir/dormi/dors/dors/dort/dormons/dormez/dorment; play/played jouer;
    run/ran courir/couru/cours/cours/court/courons/courez/courent.
stay person animal: stay/stayed +rester.
act person vehicle: stop/stopped +se_arrêter.
brief person: get_up/got_up +se_lever/lèv; leave/left +partir/parti/pars/pars/part/partons/partez/partent.
sense person animal: see/saw voir/vu/vois/vois/voit/voyons/voyez/voient person animal nature vehicle hand.
chance person animal: find/found trouver hand animal; fall/fell +tomber.
chance person: lose/lost perdre/perdu/perds/perds/perd/perdons/perdez/perdent hand; break/broke casser fragile;
    arrive_at/arrived_at +arriver à goto.
sense person: love/loved aimer person animal.
state person: have/had avoir/eu/ai/as/a/avons/avez/ont hand animal vehicle food; live/lived habiter;
    know/knew connaître/connu/connais/connais/connaît/connaissons/connaissez/connaissent person heard.
gift person: give/gave donner hand food; show/showed montrer hand animal vehicle.
taste person: like/liked aimer food drink animal nature; prefer/preferred préférer/préfèr food drink animal nature.
"""
PREPOSITIONS = """
person animal: near près_de landmark; next_to à_côté_de landmark; behind derrière landmark;
    in_front_of devant landmark; under sous shade.
person: at à goto; in dans inside.
animal: in dans outside; under sous surface.
vehicle: near près_de landmark.
parked: in_front_of devant landmark; behind derrière landmark.
home: in dans home; near près_de landmark; next_to à_côté_de landmark.
nature: in dans yard.
thing: in dans room.
hand: in dans container; under sous surface; on sur surface.
food drink: in dans room; on sur surface.
"""
DETERMINERS = {
    "the": "le la les", "all": "le la les", "this": "ce cette ces", "a": "un une des", "some": "de_le de_la des",
    "my": "mon ma mes", "your": "ton ta tes", "his": "son sa ses", "her": "son sa ses", "our": "notre notre nos",
    "their": "leur leur leurs", "your (vous)": "votre votre vos",
}  # fmt: skip
POSSESSIVES = ("my", "your", "his", "her", "our", "their")
BEFORE_VOWEL = {"ce": "cet", "ma": "mon", "ta": "ton", "sa": "son"}
NUMBERS = {"two": "deux", "three": "trois", "four": "quatre", "five": "cinq", "six": "six", "ten": "dix"}
SOME = {"not": "any", "?": "any", "no": "no", "never": "", "habit": ""}  # English "some", by mode of the sentence
BE, WAS = ("am", "are", "is", "are", "are", "are"), ("was", "were", "was", "were", "were", "were")
TABLE = {  # forms in the order je, tu, il, nous, vous, ils
    "is": "suis es est sommes êtes sont", "was": "étais étais était étions étiez étaient",
    "has": "ai as a avons avez ont", "had": "avais avais avait avions aviez avaient",
    "future": "vais vas va allons allez vont", "want": "veux veux veut voulons voulez veulent",
    "can": "peux peux peut pouvons pouvez peuvent", "must": "dois dois doit devons devez doivent",
    "self": "me te se nous vous se",
}  # fmt: skip
FRENCH = {name: forms.split() for name, forms in TABLE.items()}
PRONOUNS = (  # subject, object; French subject, direct object, indirect object, stressed; slot in the tables above
    "I me je me me moi 0", "you you tu te te toi 1", "he him il le lui lui 2", "she her elle la lui elle 2",
    "we us nous nous nous nous 3", "they them ils les leur eux 5", "you you vous vous vous vous 4",
)  # fmt: skip
NAMES = ("Paul", "Louis", "Arthur", "Marie", "Alice", "Emma")  # three men, three women
TIMES = {
    "present": ("every day|tous les jours", "in the morning|le matin", "on Sundays|le dimanche"),
    "progressive": ("now|maintenant", "today|aujourd'hui"),
    "past": ("yesterday|hier", "this morning|ce matin", "last week|la semaine dernière"),
    "future": ("tomorrow|demain", "tonight|ce soir", "next week|la semaine prochaine"),
}
FREQUENCY = ("often|souvent", "always|toujours", "sometimes|parfois", "never|jamais")
SENSATIONS = ("hungry|faim", "thirsty|soif", "cold|froid", "afraid|peur", "sleepy|sommeil", "right|raison")
SOME_TENSES = {"chance": ("past", "future"), "sense": ("present", "past"), "state": ("present",)}  # others: all
OPEN_OBJECT = ("eat", "drink", "read", "write", "buy", "sell", "make", "have")  # whose object may be just "any"
CLOSED_OBJECT = ("love", "know", "wash", "finish", "close", "help")  # whose object is known
THEN = ("eat", "drink", "read", "open", "wash", "hide", "finish")  # what one does with a thing taken or bought
Pair = tuple[str, str]


class Word(NamedTuple):
    """A lexicon entry: its forms, the tags of its group, and all its tags (for a verb only those of its objects)."""

    english: list[str]
    french: list[str]
    group: list[str]
    tags: list[str]


def parse(table: str, inherit: bool = True) -> list[Word]:
    """Read a lexicon table; entries take over the tags of their group if told to."""
    lexicon = []
    for head, body in re.findall(r"([^:.]+):([^:.]+)\.", table):
        group = head.split()
        for english, french, *tags in map(str.split, body.split(";")):
            sides = [side.replace("_", " ").split("/") for side in (english, french)]
            lexicon.append(Word(sides[0], sides[1], group, tags + group * inherit))
    return lexicon


def join(*pairs: Pair) -> Pair:
    """Put pairs of words one after the other, on both sides, leaving no space for empty ones."""
    return " ".join(filter(None, (pair[0] for pair in pairs))), " ".join(filter(None, (pair[1] for pair in pairs)))


def split(text: str) -> Pair:
    english, french = text.split("|")
    return english, french


def polish(french: str) -> str:
    """Elide and contract: "que elle ne a" -> "qu'elle n'a", "de le chat" -> "du chat", "à le œuf" -> "à l'œuf"."""
    french = re.sub(r"(?<![\w'-])([jnldmts]|qu|c)[ea] (?=[aeiouhéêœAE]|y )", r"\1'", french)
    for full, contracted in (("de le", "du"), ("de les", "des"), ("à le", "au"), ("à les", "aux")):
        french = re.sub(rf"\b{full}\b", contracted, french)
    return french.replace("*", "")


def finish(pair: Pair) -> Pair:
    """Polish a sentence, and give it its capital and full stop."""
    english, french = pair[0], polish(pair[1])
    if english[-1] not in "?!":
        english, french = f"{english}.", f"{french}."
    return english[0].upper() + english[1:], french[0].upper() + french[1:]


def vowel(word: str) -> bool:
    return word[:1] in tuple("aeiouhéêœAE")  # an h aspiré is written "*h"


def agree(forms: Sequence[str], feminine: bool, plural: bool, following: str = "") -> str:
    """Inflect a French adjective or participle; ``following`` is the noun it stands before, if any."""
    if len(forms) > 2 and vowel(following) and not feminine and not plural:
        return forms[2]
    form = (forms[1] if len(forms) > 1 else forms[0].removesuffix("e") + "e") if feminine else forms[0]
    return form if not plural or form[-1] in "sx" else form + ("x" if form.endswith("eau") else "s")


def inflect(words: str, ending: str) -> str:
    """Add "s" (plural or third person) or "ing" to the first of some English words."""
    head, *rest = words.split()
    if ending == "ing":
        head = head + head[-1] if head in ("run", "stop", "get") else re.sub("(?<!e)e$", "", head)
    elif head == "have":
        head = "ha"
    else:
        head = re.sub("([^aeou])y$", r"\1ie", head) + "e" * bool(re.search("(s|x|ch|sh|o)$", head))
    return " ".join((head + ending, *rest))


def noun_forms(noun: Word, plural: bool) -> Pair:
    english, *others = noun.english
    french, *autres = noun.french
    if not plural:
        return english, french
    return others[0] if others else inflect(english, "s"), autres[0] if autres else agree([french], False, True)


def conjugate(verb: Word) -> tuple[str, str, list[str]]:
    """The infinitive without "se", the past participle and the present, as listed or by rule for -er verbs."""
    infinitive, *forms = verb.french
    infinitive = infinitive.lstrip("+").removeprefix("se ")
    if len(forms) > 1:
        return infinitive, forms[0], forms[1:]
    stem = infinitive.removesuffix("er")
    strong, soft = forms[0] if forms else stem, stem + "e" * stem.endswith("g")  # achèt-e, mange-ons
    singular = [strong + "e", strong + "es", strong + "e"]
    return infinitive, stem + "é", [*singular, soft + "ons", stem + "ez", strong + "ent"]
