"""What the attributes of people are called on pages; mappings, filters and files write their own names."""

from muster.ui.language import gettext, marked

_EXTENSION = "extensionAttribute"
_NAMES = {
    "objectId": marked("Object id"),
    "userPrincipalName": marked("Principal name"),
    "mailNickname": marked("Mail nickname"),
    "mail": marked("E-mail address"),
    "givenName": marked("First name"),
    "surname": marked("Last name"),
    "displayName": marked("Display name"),
    "accountEnabled": marked("Account enabled"),
    "userType": marked("Kind of user"),
    "employeeId": marked("Employee number"),
    "employeeType": marked("Kind of employment"),
    "jobTitle": marked("Job title"),
    "department": marked("Department"),
    "companyName": marked("Company"),
    "division": marked("Division"),
    "costCenter": marked("Cost center"),
    "physicalDeliveryOfficeName": marked("Office"),
    "streetAddress": marked("Street address"),
    "city": marked("City"),
    "state": marked("State or province"),
    "postalCode": marked("Postal code"),
    "country": marked("Country"),
    "usageLocation": marked("Usage location"),
    "preferredLanguage": marked("Preferred language"),
    "telephoneNumber": marked("Business phone"),
    "mobile": marked("Mobile phone"),
    "facsimileTelephoneNumber": marked("Fax"),
    "proxyAddresses": marked("Proxy addresses"),
    "otherMails": marked("Other e-mail addresses"),
    "employeeHireDate": marked("Hire date"),
    "manager": marked("Manager"),
}


def attribute_name(name: str) -> str:
    """Returns what readers call an attribute of the directory, in their language; else its own name."""
    if name.startswith(_EXTENSION):
        return gettext("Extension attribute %(number)s", number=name.removeprefix(_EXTENSION))
    return gettext(_NAMES[name]) if name in _NAMES else name
