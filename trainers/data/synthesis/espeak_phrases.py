"""What eSpeak NG says to learn to speak from: words of three languages, phrases."""

import numpy as np

WORDS = {
    "en-us": (
        "river garden winter yellow bread water little mother window people orange"
        " table silver morning music paper summer chicken letter doctor island market"
        " number flower engine story captain dragon corner village cheese blanket"
        " mountain rabbit teacher shadow bottle castle monkey train plant street"
        " green cloud fresh bright stone horse glass night jump thing bird voice"
        " short cold ship black house friend"
    ),
    "es": (
        "casa perro gato libro mesa agua verde rojo niño madre padre ciudad montaña"
        " ventana puerta camino tiempo noche mañana amigo trabajo escuela playa fuego"
        " cielo tierra flor árbol pájaro caballo zapato camisa queso leche naranja"
        " pequeño grande blanco negro azul lluvia viento invierno verano guitarra"
        " canción palabra número calle barco hermano abuela doctor jardín mercado"
        " cuchara botella espejo reloj llave"
    ),
    "cmn-latn-pinyin": (
        "ni3hao3 lao3shi1 xue2sheng1 peng2you5 ma1ma5 ba4ba5 mao1 gou3 shui3 cha2"
        " fan4 yu2 niao3 ma3 hua1 shu4 shan1 he2 tian1 di4 hong2 bai2 hei1 lan2 da4"
        " xiao3 duo1 shao3 kan4 ting1 shuo1 xie3 du2 chi1 he1 zou3 pao3 fei1 lai2 qu4"
        " zhong1guo2 bei3jing1 dian4hua4 che1zi5 xie2zi5 yi1fu5 ping2guo3 niu2nai3"
        " ji1dan4 mian4bao1 tian1qi4 xia4yu3 tai4yang2 yue4liang5 jin1tian1 ming2tian1"
        " zao3shang5 wan3shang5 gong1zuo4 xue2xiao4"
    ),
}
"""Words that are learned, of each language; Mandarin in pinyin."""
UNSEEN = {
    "en-us": "lemon forest basket planet singer hammer carpet yard beach drum",
    "es": "limón bosque cesta planeta martillo alfombra tambor silla cuerda huevo",
    "cmn-latn-pinyin": (
        "ning2meng2 sen1lin2 lan2zi5 gu3 deng1 men2 yi3zi5 bi3 dao1 tang2"
    ),
}
"""Words that are in no training phrase."""
VOICES = {
    "m3": "en-us",
    "f5": "en-us",
    "david": "es",
    "Alicia": "es",
    "grandma": "cmn-latn-pinyin",
    "belinda": "cmn-latn-pinyin",
}
"""Variants of eSpeak NG that speak, and the language that training has of each."""
SIZES = {"train": 300, "validation": 20, "test": 30, "words": 20, "reference": 60}
"""Phrases of each split and language."""


def phrases(language: str, seed: int, sizes: dict[str, int]) -> dict[str, list[str]]:
    """Phrases of two or three words, all different; those of `words` have a new word.

    Args:
      language: one of `WORDS`.
      seed: origin of all that is drawn.
      sizes: how many of each split.
    """
    rng = np.random.default_rng([seed, list(WORDS).index(language)])
    known, unseen = WORDS[language].split(), UNSEEN[language].split()
    taken: set[str] = set()
    chosen: dict[str, list[str]] = {split: [] for split in sizes}
    for split, size in sizes.items():
        while len(chosen[split]) < size:
            words = list(rng.choice(known, rng.integers(2, 4), replace=False))
            if split == "words":
                words[rng.integers(len(words))] = unseen[len(chosen[split]) % 10]
            phrase = " ".join(words)
            if phrase not in taken:
                taken.add(phrase)
                chosen[split].append(phrase)
    return chosen
