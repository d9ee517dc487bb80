"""The parts of a configuration about single sign-on: by SAML, and by OpenID Connect."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from muster.model.single_sign_on import Hash, NameFormat, Signed

_Lists = Annotated[list[str], Field(max_length=50)]


class SignOnPart(BaseModel):
    """A part whose keys are all optional: what is not named stays, and null takes a text away."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_serializer(mode="wrap")
    def _with_nulls(self, whole: SerializerFunctionWrapHandler) -> Any:
        """Keeps nulls that are said, which a document without defaults would leave out."""
        said = {
            field.alias or name: None
            for name, field in type(self).model_fields.items()
            if name in self.model_fields_set and getattr(self, name) is None
        }
        return said | whole(self)


class SamlSignOn(SignOnPart):
    """How people are signed in to an application by SAML; keys and certificates are no configuration."""

    enabled: bool | None = Field(default=None, description="Whether people sign in by SAML.")
    identifier: str | None = Field(default=None, description="Entity ID of the application.")
    reply_urls: _Lists | None = Field(default=None, alias="replyUrls", description="The first is the default.")
    sign_on_url: str | None = Field(default=None, alias="signOnUrl")
    relay_state: str | None = Field(default=None, alias="relayState")
    logout_url: str | None = Field(default=None, alias="logoutUrl")
    name_id: str | None = Field(default=None, alias="nameId", description="The expression that gives the NameID.")
    name_id_format: NameFormat | None = Field(default=None, alias="nameIdFormat")
    claims: dict[str, str] | None = Field(
        default=None, max_length=50, description="By name: the expression that gives the value."
    )
    signing_option: Signed | None = Field(default=None, alias="signingOption")
    signing_algorithm: Hash | None = Field(default=None, alias="signingAlgorithm")
    verification_certificate: str | None = Field(
        default=None, alias="verificationCertificate", description="PEM; requests must be signed by it."
    )
    notified: _Lists | None = Field(
        default=None, alias="notificationEmailAddresses", description="Who hears that the signing certificate ends."
    )


class OpenIdClaimGiven(SignOnPart):
    """A claim of the tokens: its expression, and the scope that it comes with."""

    expression: str
    scope: str | None = Field(default=None, description="None: with every sign-in.")

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, given: Any) -> Any:
        return {"expression": given} if isinstance(given, str) else given

    @model_serializer(mode="wrap")
    def _as_text(self, whole: SerializerFunctionWrapHandler) -> Any:
        document = whole(self)
        return document["expression"] if self.scope is None else document


class OpenIdSignOn(SignOnPart):
    """How an application signs people in by OpenID Connect; its secrets are no configuration."""

    enabled: bool | None = Field(default=None, description="Whether people sign in by OpenID Connect.")
    redirect_uris: _Lists | None = Field(default=None, alias="redirectUris")
    sign_on_url: str | None = Field(default=None, alias="signOnUrl")
    public_client: bool | None = Field(
        default=None, alias="publicClient", description="A program that keeps no secret; PKCE is required then."
    )
    requires_pkce: bool | None = Field(default=None, alias="requiresPkce")
    claims: dict[str, OpenIdClaimGiven] | None = Field(default=None, max_length=50)
