/**
 * Text of a small invented language, for a character model. What there is to learn: the spelling of a
 * few hundred made-up words, which words go with which topic, agreement of noun and verb, pronouns that
 * follow the sex of a name, names that come back in direct speech, and sums. Pure: a seed gives the text.
 */
import { seededRandom } from "../random.ts";
import type { Random } from "../random.ts";

/** Every character the text can hold, sorted; the index is the token id. */
export const CHARACTERS: readonly string[] = [..."\n ',.ADFGHKLMOPRSTZabcdefghiklmnoprstuvwxyz"];

/** The vocabulary is the same in every text; only the sentences depend on the seed. */
const LEXICON_SEED = 20251;
const TOPICS = 6;

interface Lexicon {
  readonly nouns: readonly string[];
  readonly verbs: readonly string[];
  readonly adjectives: readonly string[];
  readonly places: readonly string[];
  readonly adverbs: readonly string[];
  readonly names: readonly {
    readonly name: string;
    readonly pronoun: string;
    readonly object: string;
  }[];
}

/** At least `length` characters of whole paragraphs. */
export function generateText(seed: number, length: number): string {
  const lexicon = makeLexicon();
  const random = seededRandom(seed);
  const paragraphs: string[] = [];
  for (let total = 0; total < length;) {
    const paragraph = writeParagraph(random, lexicon);
    paragraphs.push(paragraph);
    total += paragraph.length;
  }
  return paragraphs.join("");
}

function writeParagraph(random: Random, lexicon: Lexicon): string {
  const topic = random.below(TOPICS);
  const actors = [random.pick(lexicon.names), random.pick(lexicon.names)];
  const sentences: string[] = [];
  const count = 3 + random.below(4);
  for (let i = 0; i < count; i++) {
    const kind = random.uniform();
    const sentence =
      kind < 0.4
        ? aboutThings(random, lexicon, topic)
        : kind < 0.7
          ? aboutSomebody(random, lexicon, topic, random.pick(actors))
          : kind < 0.88
            ? speech(random, lexicon, topic, random.pick(actors))
            : sum(random);
    sentences.push(sentence.charAt(0).toUpperCase() + sentence.slice(1));
  }
  return sentences.join(" ") + "\n";
}

/** "the soft barens near the lomi often tavik a gorun." The verb ends in s after one thing. */
function aboutThings(random: Random, lexicon: Lexicon, topic: number): string {
  const many = random.uniform() < 0.4;
  const subject = thing(random, lexicon, topic, many);
  const where = random.uniform() < 0.35 ? ` ${place(random, lexicon, topic)}` : "";
  const how = random.uniform() < 0.3 ? ` ${topical(random, lexicon.adverbs, topic)}` : "";
  const verb = topical(random, lexicon.verbs, topic) + (many ? "" : "s");
  return `${subject}${where}${how} ${verb} ${thing(random, lexicon, topic, random.uniform() < 0.3)}.`;
}

/** "Mira tavikd the gorun, and then she tavikd a lomi." */
function aboutSomebody(
  random: Random,
  lexicon: Lexicon,
  topic: number,
  who: Lexicon["names"][number],
): string {
  const first = `${who.name} ${past(topical(random, lexicon.verbs, topic))} ${thing(random, lexicon, topic, false)}`;
  const next = topical(random, lexicon.verbs, topic);
  if (random.uniform() < 0.5)
    return `${first}, and then ${who.pronoun} ${past(next)} ${place(random, lexicon, topic)}.`;
  return `${first} because the ${topical(random, lexicon.nouns, topic)} ${next}s ${who.object}.`;
}

/** "'the gorun is soft,' said Mira." */
function speech(
  random: Random,
  lexicon: Lexicon,
  topic: number,
  who: Lexicon["names"][number],
): string {
  const many = random.uniform() < 0.4;
  const said = `${thing(random, lexicon, topic, many)} ${many ? "are" : "is"} ${topical(random, lexicon.adjectives, topic)}`;
  return random.uniform() < 0.5
    ? `'${said},' said ${who.name}.`
    : `${who.name} asked if ${said}, and ${who.pronoun} was right.`;
}

const NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve".split(" ");

function sum(random: Random): string {
  const a = random.below(7);
  const b = random.below(7);
  return `${NUMBERS[a] ?? ""} and ${NUMBERS[b] ?? ""} make ${NUMBERS[a + b] ?? ""}.`;
}

function thing(random: Random, lexicon: Lexicon, topic: number, many: boolean): string {
  const noun = topical(random, lexicon.nouns, topic) + (many ? "s" : "");
  const adjective = random.uniform() < 0.45 ? `${topical(random, lexicon.adjectives, topic)} ` : "";
  const article = many
    ? random.pick(["the", "some", "many"])
    : random.pick(["the", "the", "a", "this"]);
  return `${article} ${adjective}${noun}`;
}

const place = (random: Random, lexicon: Lexicon, topic: number): string =>
  `${random.pick(["in", "near", "under", "beyond"])} the ${topical(random, lexicon.places, topic)}`;

const past = (verb: string): string => `${verb}ed`;

/**
 * A word of the list, few often and many seldom (the square of a uniform number), from an order that
 * differs by topic: each topic begins at its own place of the list.
 */
function topical(random: Random, list: readonly string[], topic: number): string {
  const u = random.uniform();
  const rank = Math.floor(u * u * list.length);
  const start = Math.floor((topic * list.length) / TOPICS);
  return list[(start + rank) % list.length] ?? "";
}

function makeLexicon(): Lexicon {
  const random = seededRandom(LEXICON_SEED);
  const used = new Set<string>();
  const words = (
    count: number,
    syllables: readonly number[],
    ending: readonly string[],
  ): string[] => {
    const out: string[] = [];
    while (out.length < count) {
      const word = makeWord(random, random.pick(syllables)) + random.pick(ending);
      if (used.has(word)) continue;
      used.add(word);
      out.push(word);
    }
    return out;
  };
  return {
    nouns: words(150, [1, 2, 2, 3], ["n", "k", "m", "l", "rt", "st"]),
    verbs: words(80, [1, 2], ["p", "v", "t", "nd", "lk"]),
    adjectives: words(60, [2, 2, 3], ["", "sh", "ny"]),
    places: words(40, [2, 3], ["r", "th", ""]),
    adverbs: words(24, [1, 2], ["lo", "wi"]),
    names: words(30, [2, 2, 3], [""]).map((word) => {
      const she = random.uniform() < 0.5;
      return {
        name: word.charAt(0).toUpperCase() + word.slice(1) + (she ? "a" : "en"),
        pronoun: she ? "she" : "he",
        object: she ? "her" : "him",
      };
    }),
  };
}

const ONSETS = [..."bdfghklmnprstvwz", "br", "dr", "gl", "kr", "pl", "st", "sh", "tr"];
const VOWELS = [..."aeiou", "a", "e", "o", "ai", "ou"];

function makeWord(random: Random, syllables: number): string {
  let word = "";
  for (let i = 0; i < syllables; i++) word += random.pick(ONSETS) + random.pick(VOWELS);
  return word;
}
