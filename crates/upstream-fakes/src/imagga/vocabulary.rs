//! The fake's vocabulary, a small one from which tags are chosen by a picture's mean colour.

use crate::picture::Colour;

/// A label in English, Spanish, German and French, and its `WordNet` id.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) en: &'static str,
    es: &'static str,
    de: &'static str,
    fr: &'static str,
    pub(crate) synset: &'static str,
}

const fn word(
    en: &'static str,
    es: &'static str,
    de: &'static str,
    fr: &'static str,
    synset: &'static str,
) -> Word {
    Word {
        en,
        es,
        de,
        fr,
        synset,
    }
}

pub(crate) const WORDS: [Word; 40] = [
    word("car", "coche", "Auto", "voiture", "n02958343"),
    word(
        "motor vehicle",
        "vehículo de motor",
        "Kraftfahrzeug",
        "véhicule à moteur",
        "n03791235",
    ),
    word("vehicle", "vehículo", "Fahrzeug", "véhicule", "n04524313"),
    word("cab", "taxi", "Taxi", "taxi", "n02930766"),
    word("wheel", "rueda", "Rad", "roue", "n04574999"),
    word("road", "carretera", "Straße", "route", "n04096066"),
    word(
        "transportation",
        "transporte",
        "Verkehr",
        "transport",
        "n04473432",
    ),
    word("mountain", "montaña", "Berg", "montagne", "n09359803"),
    word("landscape", "paisaje", "Landschaft", "paysage", "n08598301"),
    word("sky", "cielo", "Himmel", "ciel", "n09436708"),
    word("cloud", "nube", "Wolke", "nuage", "n09247410"),
    word("tree", "árbol", "Baum", "arbre", "n13104059"),
    word("forest", "bosque", "Wald", "forêt", "n08438533"),
    word("grass", "hierba", "Gras", "herbe", "n12102133"),
    word("flower", "flor", "Blume", "fleur", "n11669921"),
    word("sea", "mar", "Meer", "mer", "n09426788"),
    word("beach", "playa", "Strand", "plage", "n09217230"),
    word("sand", "arena", "Sand", "sable", "n15019030"),
    word("water", "agua", "Wasser", "eau", "n14845743"),
    word("river", "río", "Fluss", "rivière", "n09411430"),
    word("dog", "perro", "Hund", "chien", "n02084071"),
    word("cat", "gato", "Katze", "chat", "n02121620"),
    word("kitten", "gatito", "Kätzchen", "chaton", "n02122298"),
    word(
        "domestic animal",
        "animal doméstico",
        "Haustier",
        "animal domestique",
        "n01317541",
    ),
    word("bird", "pájaro", "Vogel", "oiseau", "n01503061"),
    word("horse", "caballo", "Pferd", "cheval", "n02374451"),
    word("person", "persona", "Person", "personne", "n00007846"),
    word("face", "cara", "Gesicht", "visage", "n05600637"),
    word("portrait", "retrato", "Porträt", "portrait", "n03987079"),
    word("building", "edificio", "Gebäude", "bâtiment", "n02913152"),
    word("house", "casa", "Haus", "maison", "n03544360"),
    word("city", "ciudad", "Stadt", "ville", "n08524735"),
    word("street", "calle", "Gasse", "rue", "n04334599"),
    word("food", "comida", "Essen", "nourriture", "n00021265"),
    word("coffee", "café", "Kaffee", "café", "n07929519"),
    word("cup", "taza", "Tasse", "tasse", "n03147509"),
    word("table", "mesa", "Tisch", "table", "n04379243"),
    word(
        "sunset",
        "puesta de sol",
        "Sonnenuntergang",
        "coucher de soleil",
        "n15169248",
    ),
    word("night", "noche", "Nacht", "nuit", "n15167027"),
    word("rocket", "cohete", "Rakete", "fusée", "n04099429"),
];

/// Language codes of the service.
const LANGUAGES: [&str; 51] = [
    "ar", "bg", "bs", "en", "ca", "cs", "cy", "da", "de", "el", "es", "et", "fa", "fi", "fr", "he",
    "hi", "hr", "ht", "hu", "id", "it", "ja", "ko", "lt", "lv", "ms", "mt", "mww", "nl", "no",
    "otq", "pl", "pt", "ro", "ru", "sk", "sv", "sl", "sr_cyrl", "sr_latn", "th", "tlh", "tlh_qaak",
    "tr", "uk", "ur", "vi", "yua", "zh_chs", "zh_cht",
];

/// The number of labels in a response without a limit.
const COUNT: usize = 12;

pub(crate) fn is_language(code: &str) -> bool {
    LANGUAGES.contains(&code)
}

/// The label in a language; without a translation it is marked with the code.
pub(crate) fn translate(label: &str, language: &str) -> String {
    let word = WORDS.iter().find(|word| word.en == label);
    let translated = word.and_then(|word| match language {
        "es" => Some(word.es),
        "de" => Some(word.de),
        "fr" => Some(word.fr),
        _ => None,
    });
    match translated {
        Some(text) => text.to_owned(),
        None if language == "en" => label.to_owned(),
        None => format!("{label} ({language})"),
    }
}

/// The tags of a picture of this mean colour, best first: English labels and confidences.
///
/// The colour is rounded, so that the same picture, downscaled or re-encoded, nearly always gets the same
/// tags.
pub(crate) fn see(colour: Colour) -> Vec<(String, f64)> {
    let rounded = colour.map(|value| u64::from(value) / 16);
    let mut random = Random(rounded.iter().fold(1, |seed, value| seed * 31 + value));
    let mut left: Vec<&Word> = WORDS.iter().collect();
    let mut seen = Vec::with_capacity(COUNT);
    let mut confidence = 100.0;
    while seen.len() < COUNT && !left.is_empty() {
        let word = left.swap_remove(random.below(left.len()));
        seen.push((word.en.to_owned(), confidence));
        confidence = random.less_than(confidence, seen.len());
    }
    seen
}

/// `SplitMix64`: deterministic on all machines and in all versions.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap_or_default()
    }

    /// The next confidence: the first six stay above 80, the others fall faster. It has the many digits of
    /// a widened 32-bit number, as in the service's responses.
    fn less_than(&mut self, confidence: f64, position: usize) -> f64 {
        let most = if position < 6 { 3.9 } else { 9.0 };
        let share = f64::from(u32::try_from(self.next() >> 32).unwrap_or_default());
        let step = 0.1 + (most - 0.1) * share / f64::from(u32::MAX);
        let next = confidence - step;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the loss of digits is wanted"
        )]
        let narrowed = next as f32;
        f64::from(narrowed)
    }
}
