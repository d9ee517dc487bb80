"""Names of the sample's people, in several scripts. `太郎=Taro`: the Latin letters make the principal name."""

import unicodedata
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A name as its bearer writes it, and in plain letters."""

    text: str
    latin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NameList:
    """Given and family names of one language. `family_first`: the display name begins with the family name."""

    given: tuple[Name, ...]
    family: tuple[Name, ...]
    family_first: bool = False


# Letters that no decomposition turns into plain ones.
_PLAIN = str.maketrans(
    {
        "ß": "ss", "æ": "ae", "Æ": "Ae", "ø": "o", "Ø": "O", "œ": "oe", "Œ": "Oe", "ł": "l", "Ł": "L", "ı": "i",
        "đ": "d", "Đ": "D", "þ": "th", "Þ": "Th", "ð": "d",
    }
)  # fmt: skip


def plain_letters(text: str) -> str:
    """Returns the text in lower-case ASCII letters, digits and hyphens; everything else is left out."""
    decomposed = unicodedata.normalize("NFD", text.translate(_PLAIN)).lower()
    return "".join(letter for letter in decomposed if letter.isascii() and (letter.isalnum() or letter == "-"))


def _names(*lines: str) -> tuple[Name, ...]:
    return tuple(_name(word) for line in lines for word in line.split(", "))


def _name(word: str) -> Name:
    text, _, latin = word.partition("=")
    return Name(text=text, latin=plain_letters(latin or text))


NAMES: dict[str, NameList] = {
    "dutch": NameList(
        given=_names(
            "Jan, Pieter, Sanne, Daan, Femke, Bram, Lotte, Sem, Fleur, Thijs, Anouk, Joost, Maaike, Ruben, Eva",
            "Noor, Wouter, Iris, Gijs, Roos, Koen, Marieke, Jeroen, Julia, Bas, Tess, Stijn, Zoë, Floor, Mees, Renée",
        ),
        family=_names(
            "de Vries, van der Berg, Jansen, Bakker, Visser, Smit, de Boer, Mulder, van 't Hoff, Bos, Vos, Peters",
            "Hendriks, van Leeuwen, Dekker, Brouwer, de Wit, Dijkstra, Smits, de Graaf, van der Meer, Kok, Jacobs",
            "Vermeulen, van den Heuvel, 's Gravesande, Schouten, Willems, Hoekstra, Koster, Prins, Huisman",
        ),
    ),
    "english": NameList(
        given=_names(
            "Oliver, Amelia, George, Isla, Harry, Ava, Noah, Emily, Jack, Sophie, Leo, Grace, Oscar, Lily, Charlie",
            "Freya, Henry, Alice, Thomas, Ruby, William, Evie, James, Chloe, Mary-Ann, Samuel, Hannah, Ella, Max",
        ),
        family=_names(
            "Smith, Jones, Taylor, Brown, Williams, Wilson, Johnson, Davies, O'Malley, Patel, Wright, Walker, White",
            "Edwards, St. John, Green, Hall, Wood, Harris, Lewis, Martin, Jackson, Clarke, O’Connor, Turner, Hill",
            "Cooper, Fotheringay-Phipps, Ward, Hughes, McDonald, Adams, Baker, Campbell, Morgan, Ng, Osei, Okafor",
        ),
    ),
    "spanish": NameList(
        given=_names("María José, Íñigo, Lucía, Álvaro, Nuria, Joaquín, Begoña, Andrés, Inés, Martín, Sofía, Raúl"),
        family=_names("García Márquez, Muñoz, de la Cruz, Fernández, Ibáñez, Peña, Núñez, Ortega y Gasset, López"),
    ),
    "swedish": NameList(
        given=_names(
            "Åsa, Björn, Örjan, Märta, Göran, Elin, Lars-Erik, Håkan, Saga, Nils, Ebba, Sven, Linnéa, Axel, Ylva",
            "Tove, Anders, Maj-Britt, Emil, Ida, Jörgen, Ulrika, Olle",
        ),
        family=_names(
            "Åkesson, Öberg, Lindström, Sjögren, Nyström, Bergman, Ekström, Håkansson, Wallin, Björk, Söderberg",
            "Hägglund, Forsberg, Gustafsson, Lönn, Mårtensson, Ångström, Strömqvist, Hellström",
        ),
    ),
    "polish": NameList(
        given=_names(
            "Łukasz, Małgorzata, Grażyna, Paweł, Michał, Agnieszka, Zofia, Świętosława, Jędrzej, Wojciech, Zuzanna",
            "Bartłomiej, Elżbieta, Rafał, Żaneta, Tomasz, Kinga, Grzegorz, Joanna, Mieczysław, Hanna, Stanisław",
        ),
        family=_names(
            "Wiśniewska, Dąbrowski, Zieliński, Szymańska, Woźniak, Kozłowski, Jabłońska, Mazur, Krawczyk, Piątek",
            "Grabowska, Pawłowski, Michalak, Sikora, Żak, Brzęczyszczykiewicz, Wróbel, Ćwik, Ślusarczyk, Bąk",
        ),
    ),
    "ukrainian": NameList(
        given=_names(
            "Олена=Olena, Андрій=Andrii, Наталія=Nataliia, Тарас=Taras, Ірина=Iryna, Юрій=Yurii, Соломія=Solomiia",
            "Богдан=Bohdan, Мар'яна=Mariana, Євген=Yevhen, Ганна=Hanna",
        ),
        family=_names(
            "Шевченко=Shevchenko, Коваль=Koval, Бондаренко=Bondarenko, Лук'яненко=Lukianenko, Мельник=Melnyk",
            "Ткачук=Tkachuk, Ґалаґан=Galagan, Кравець=Kravets, Поліщук=Polishchuk, Щербак=Shcherbak",
        ),
    ),
    "french": NameList(
        given=_names(
            "Aurélie, Jean-François, Chloé, Maël, Noémie, Loïc, Hélène, Benoît, Anaïs, Rémi, Gaëlle, Théo, Zoé",
            "Marie-Claire, François, Inès, Jérôme, Océane, Étienne, Léa, Mathis, Agnès, Hervé",
        ),
        family=_names(
            "Lefèvre, d'Angély, Béranger, Dupré, L'Hôpital, Garçon, Fournier, Rousseau, Châtelain, de La Tour, Noël",
            "Guérin, Faucher, Leclercq, Prévost, Lacroix, Hébert, Bœuf, Marchand, Poirier, Gaudin, Saint-Exupère",
        ),
    ),
    "german": NameList(
        given=_names(
            "Jürgen, Käthe, Günther, Lieselotte, Björn, Sören, Annemarie, Hans-Peter, Jörg, Uwe, Mónika, Anneliese",
            "Dörte, Lukas, Franziska, Matthias, Ulrike, Maximilian, Hannelore, Felix, Birgit, Tobias, Heike",
        ),
        family=_names(
            "Müller, Groß, Weiß, Schäfer, Köhler, von der Straße, Jäger, Böhm, Krüger, Strauß, Lüdenscheidt, Vogel",
            "Schröder, Kühn, Bäcker, Huber, zu Guttenthal, Größmann, Winkler, Fuchs, Meyer-Landrut, Zöllner, Scholz",
        ),
    ),
    "portuguese": NameList(
        given=_names(
            "João, Conceição, Luís, Inês, Gonçalo, Beatriz, Antônio, Thaís, Vinícius, Letícia, Caetano, Júlia, Ênio",
            "Maria Clara, José Carlos, Cauê, Brígida, Simão, Lívia, Ângelo",
        ),
        family=_names(
            "da Silva, Conceição, Araújo, Gonçalves, dos Santos, Magalhães, Simões, Corrêa, Brandão, Guimarães",
            "Leão, Assunção, d'Ávila, Paixão, Mendonça, Lourenço, Nóbrega, Sant'Anna, Negrão",
        ),
    ),
    "turkish": NameList(
        given=_names(
            "Işıl, Çağrı, Özgür, Şule, İbrahim, Gülşen, Ümit, Yağmur, Oğuz, Zeynep, Tuğba, Emre, Aslı, Barış, İpek",
            "Nurgül, Alper, Şebnem, Ömer",
        ),
        family=_names(
            "Yılmaz, Öztürk, Şahin, Çelik, Yıldırım, Güneş, Aydın, Doğan, Işık, Kılıç, Türkoğlu, Erdoğdu, Çiçek",
            "İnönü, Korkmaz, Özkan, Bozkurt",
        ),
    ),
    "czech": NameList(
        given=_names(
            "Jiří, Kateřina, Ondřej, Ludmila, Zdeněk, Růžena, Matěj, Tereza, Šimon, Věra, Bořivoj, Alžběta, Vojtěch",
            "Miloš, Barbora",
        ),
        family=_names(
            "Dvořák, Nováková, Svoboda, Černý, Procházková, Kučera, Veselý, Horáková, Němec, Řezníček, Šťastná",
            "Křížek, Tůma, Ďurica, Macháčková",
        ),
    ),
    "japanese": NameList(
        given=_names(
            "太郎=Taro, 花子=Hanako, 健一=Kenichi, 美咲=Misaki, 翔=Sho, さくら=Sakura, 大輔=Daisuke, 陽子=Yoko",
            "恵=Megumi, 拓也=Takuya, ひなた=Hinata, 誠=Makoto, 由美子=Yumiko, リサ=Risa, 修=Osamu",
        ),
        family=_names(
            "佐藤=Sato, 鈴木=Suzuki, 高橋=Takahashi, 田中=Tanaka, 渡辺=Watanabe, 伊藤=Ito, 山本=Yamamoto",
            "小林=Kobayashi, 加藤=Kato, 吉田=Yoshida, 髙島=Takashima, 斎藤=Saito, 齋藤=Saito, 𠮷野=Yoshino, 森=Mori",
        ),
        family_first=True,
    ),
    "chinese": NameList(
        given=_names(
            "伟=Wei, 秀英=Xiuying, 建国=Jianguo, 雪=Xue, 子轩=Zixuan, 美玲=Meiling, 志明=Zhiming, 婷婷=Tingting",
            "浩然=Haoran, 佳怡=Jiayi",
        ),
        family=_names(
            "王=Wang, 李=Li, 张=Zhang, 刘=Liu, 陈=Chen, 欧阳=Ouyang, 吴=Wu, 黃=Huang, 司马=Sima, 何=He",
        ),
        family_first=True,
    ),
    "greek": NameList(
        given=_names(
            "Γιώργος=Giorgos, Ελένη=Eleni, Νίκος=Nikos, Αικατερίνη=Aikaterini, Οδυσσέας=Odysseas, Ζωή=Zoi",
            "Μαρία=Maria",
        ),
        family=_names(
            "Παπαδόπουλος=Papadopoulos, Οικονόμου=Oikonomou, Αγγελόπουλος=Angelopoulos, Ξενάκης=Xenakis",
            "Θεοδωρίδης=Theodoridis, Καζαντζής=Kazantzis, Χατζηδάκη=Chatzidaki",
        ),
    ),
    "arabic": NameList(
        given=_names(
            "محمد=Mohammed, فاطمة=Fatima, يوسف=Youssef, ليلى=Layla, خالد=Khalid, نور=Nour, إبراهيم=Ibrahim",
        ),
        family=_names(
            "الحسن=Al-Hassan, بن علي=Ben Ali, الإدريسي=El Idrissi, حداد=Haddad, منصور=Mansour, الزهراوي=Al-Zahrawi",
            "خوري=Khoury, عبد الله=Abdallah",
        ),
    ),
}  # fmt: skip
