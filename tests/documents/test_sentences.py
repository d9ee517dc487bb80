"""Sentences of the engine and of administration are shown in the reader's language, by patterns that it makes."""

import ast
import re

import flask
import pytest

from documents.reading import SOURCE, modules
from muster.ui.language import COOKIE, told, told_clause
from muster.ui.sentences import COMPOSED
from muster.ui.wording import as_sentence

_PLACE = re.compile(r"%\(\w+\)s")


@pytest.fixture(scope="module")
def written() -> str:
    """All texts of the code but the list itself, and those of the gallery."""
    texts = [path.read_text(encoding="utf-8") for path in (SOURCE / "gallery" / "pages").glob("*.json")]
    for path in modules():
        if path.name != "sentences.py":
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.append(node.value)
    return "\n".join(texts)


@pytest.mark.parametrize("sentence", COMPOSED)
def test_each_word_of_a_sentence_that_is_put_together_stands_in_the_code(sentence: str, written: str) -> None:
    for word in _PLACE.sub(" ", sentence).split():
        assert word.strip("(),:.'") in written, word


@pytest.mark.parametrize(
    ("clause", "sentence"),
    [
        ("write a name", "Write a name."),
        ("userName is needed", "userName is needed."),
        ("ada@x.example is new", "ada@x.example is new."),
        ("", "."),
    ],
)
def test_a_clause_becomes_a_sentence_and_an_attribute_keeps_its_name(clause: str, sentence: str) -> None:
    assert as_sentence(clause) == sentence


def in_dutch(sentence: str) -> str:
    app = flask.Flask(__name__)
    with app.test_request_context("/", headers={"Cookie": f"{COOKIE}=nl"}):
        return told(sentence)


@pytest.mark.parametrize(
    ("sentence", "dutch"),
    [
        (
            (
                "Line 10, column 2 (displayName): a quotation mark stands inside a value or is not "
                "closed. The row is not read."
            ),
            (
                "Regel 10, kolom 2 (displayName): er staat een aanhalingsteken in een waarde, of het is "
                "niet gesloten. De rij wordt niet gelezen."
            ),
        ),
        (
            (
                "Line 10 ends after column 1 (userPrincipalName): it has 1 value and the header 4 "
                "columns. The row is not read."
            ),
            (
                "Regel 10 eindigt na kolom 1 (userPrincipalName): hij heeft 1 waarde en de kop 4 "
                "kolommen. De rij wordt niet gelezen."
            ),
        ),
        (
            "Line 1, column 2: “nmae” is no attribute of a user. Did you mean name? The column is not read.",
            "Regel 1, kolom 2: “nmae” is geen kenmerk van een gebruiker. Bedoelde u name? De kolom wordt niet gelezen.",
        ),
        (
            "users[12] (line 30): mail takes one text, not “['a', 'b']”. The row is not read.",
            "users[12] (regel 30): mail neemt één tekst, niet “['a', 'b']”. De rij wordt niet gelezen.",
        ),
        (
            "users[1] (line 1): “mail” stands in it twice. It is not read.",
            "users[1] (regel 1): “mail” staat er twee keer in. Het wordt niet gelezen.",
        ),
        (
            "Line 12 (“uid=ada,dc=x”): city holds a control character. The row is not read.",
            "Regel 12 (“uid=ada,dc=x”): city bevat een stuurteken. De rij wordt niet gelezen.",
        ),
        (
            "Line 10: “two words” is no attribute: value. The entry is not read.",
            "Regel 10: “two words” is geen “kenmerk: waarde”. De vermelding wordt niet gelezen.",
        ),
        (
            "Line 1, column 11: this is no JSON (users must be a list).",
            "Regel 1, kolom 11: dit is geen JSON (users moet een lijst zijn).",
        ),
        (
            "Ada % Long is blocked from sign-in in the directory.",
            "Ada % Long is in de adreslijst geblokkeerd voor aanmelden.",
        ),
        (
            "Received User 'Ada' change of type (Update) from Muster.",
            "Gebruiker 'Ada' ontvangen uit Muster, soort wijziging: bijwerken.",
        ),
        (
            "Ada is deleted in the directory and can be restored for 30 days. No account is linked.",
            "Ada is in de adreslijst verwijderd en kan 30 dagen lang worden hersteld. Er is geen account gekoppeld.",
        ),
        (
            "Grace St. John is blocked from sign-in in the directory.",
            "Grace St. John is in de adreslijst geblokkeerd voor aanmelden.",
        ),
        (
            "User 'Ada' will be disabled in 8x8. Ada was permanently deleted from the directory.",
            "Gebruiker 'Ada' wordt uitgeschakeld in 8x8. Ada is voorgoed uit de adreslijst verwijderd.",
        ),
        (
            "“150%” is no share: write a number from 0% to 100%.",
            "“150%” is geen aandeel: schrijf een getal van 0% tot 100%.",
        ),
        (
            "Ada is active and assigned as a member of User with the role User.",
            "Ada is actief en toegewezen (als lid van User) met de rol User.",
        ),
        ("Add API token", "API-token toegevoegd"),
        ("no longer in the group 8x8 licensed", "niet meer in de groep 8x8 licensed"),
        ("the group Sales was deleted", "de groep Sales is verwijderd"),
        ("Without a token: 401", "Zonder token: 401"),
        ("filters on externalId failed", "filters op externalId mislukten"),
        ("The API token “Nightly job”", "Het API-token “Nightly job”"),
        (
            "https://a.eu cannot be reached: refused (os error 111). Correct the Tenant URL.",
            "https://a.eu is niet te bereiken: refused (os error 111). Verbeter de tenant-URL.",
        ),
        ("8x8 has no Tenant URL.", "8x8 heeft geen tenant-URL."),
        (
            "Deleted user “x” does not exist, or one of its queried reference-property objects is not present.",
            "Verwijderde gebruiker “x” bestaat niet, of iets waarnaar het verwijst is er niet.",
        ),
        (
            "The application refuses creating a user (HTTP 400): bad",
            "De toepassing weigert het aanmaken van een gebruiker (HTTP 400): bad",
        ),
        ("no SCIM error body: HTTP 404, text/html, 9 bytes", "geen SCIM-foutmelding: HTTP 404, text/html, 9 bytes"),
        ("an account shows a password", "een account toont een wachtwoord"),
        (
            "HTTP 200, totalResults 3, 1 shown, scimType None",
            "HTTP 200, totalResults 3, 1 getoond, scimType None",
        ),
        ("Nobody has translated this yet.", "Nobody has translated this yet."),
        (
            "Line 2, column 3 (mail): takes one text, not “a”. The row is not read.",
            "Regel 2, kolom 3 (mail): neemt één tekst, niet “a”. De rij wordt niet gelezen.",
        ),
        ("Line 2, column 1 (userPrincipalName)", "Regel 2, kolom 1 (userPrincipalName)"),
        (
            "User, administrator, API token or service principal “x” does not exist.",
            "Gebruiker, beheerder, API-token of service-principal “x” bestaat niet.",
        ),
        ("", ""),
    ],
)
def test_a_sentence_is_told_in_dutch_with_what_stands_in_its_places(sentence: str, dutch: str) -> None:
    assert in_dutch(sentence) == dutch
    assert told(sentence) == sentence


def test_every_kind_of_target_of_the_audit_log_has_a_dutch_name() -> None:
    kinds = set()
    for path in (SOURCE / "administration").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.keyword):
                continue
            first = node.value.elts[0] if isinstance(node.value, ast.Tuple) and node.value.elts else node.value
            if (node.arg == "target" and isinstance(node.value, ast.Tuple)) or node.arg in ("target_type", "type"):
                kinds |= {first.value} if isinstance(first, ast.Constant) else set()
    assert {"SynchronizationJob", "ServicePrincipal", "Group", "User"} <= kinds
    assert {kind for kind in kinds if in_dutch(kind) == kind} == set()


@pytest.mark.parametrize("clause", ["That is a private key: keep it to yourself, and give the certificate alone"])
def test_a_sentence_without_its_stop_is_a_clause_that_is_known(clause: str) -> None:
    app = flask.Flask(__name__)
    with app.test_request_context("/", headers={"Cookie": f"{COOKIE}=nl"}):
        assert told_clause(clause) == "Dat is een privésleutel: houd hem voor u en geef alleen het certificaat"
        assert told_clause("nobody has translated this yet") == "nobody has translated this yet"


def test_a_hostile_name_takes_no_time_and_changes_nothing() -> None:
    name = "' change of type (" * 100
    shown = in_dutch(f"Received User '{name}' change of type (Update) from Muster.")
    assert (shown.count("change of type ("), "soort wijziging" in shown) == (100, True)
