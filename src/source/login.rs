//! Logging in to a registry.
//!
//! Turns a registry's challenge into the `Authorization` header that it wants, with the help of a token service where it
//! names one (distribution project, docs/spec/auth/token.md and oauth.md). [`auth`] has the rules; here are the requests.

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use tokio::time::timeout;
use url::Url;

use super::{
    Refusal, SourceError,
    address::Side,
    auth::{self, AuthError, Challenge, Credentials},
    credentials,
    http::{Answer, Bound, Fault, Http, host_of},
};

impl Http {
    /// A header for the challenge in `headers`, unless somebody else has replaced the one that was `used` already.
    pub(super) async fn authorize(
        &self,
        headers: &HeaderMap,
        used: Option<HeaderValue>,
    ) -> Result<HeaderValue, Fault> {
        let mut current = self.authorization.lock().await;
        if let Some(newer) = current.as_ref()
            && Some(newer) != used.as_ref()
        {
            return Ok(newer.clone());
        }
        let fresh = match Challenge::from_headers(headers) {
            Some(Challenge::Basic) => self.basic().await?,
            Some(Challenge::Bearer { realm, service }) => {
                self.token(realm, service.as_deref()).await?
            }
            None => {
                return Err(self.unauthorized("it asks for no kind of login that is known here"));
            }
        };
        if used.as_ref() == Some(&fresh) {
            return Err(self.unauthorized("it does not accept the credentials"));
        }
        *current = Some(fresh.clone());
        Ok(fresh)
    }

    async fn basic(&self) -> Result<HeaderValue, Fault> {
        match self.credentials().await? {
            Some(Credentials::Password { user, password }) => {
                auth::basic(&user, &password, &self.host).map_err(|e| self.auth_fault(&e))
            }
            Some(Credentials::IdentityToken(_)) => {
                Err(self
                    .unauthorized("it asks for a password, and there is only an identity token"))
            }
            None => Err(self.unauthorized("it asks for a password, and none is configured for it")),
        }
    }

    /// Asks the token service for a token (distribution: docs/spec/auth/token.md, and oauth.md for identity tokens).
    async fn token(&self, realm: Url, service: Option<&str>) -> Result<HeaderValue, Fault> {
        let side = self.side(&realm);
        self.check_target(&realm, side)?;
        let host = host_of(&realm);
        let credentials = self.credentials().await?;
        let trusted = auth::may_receive(&realm, &self.origin, &self.auth_hosts);
        let withheld = credentials.is_some() && !trusted;
        let request = self.token_request(side, &realm, service, credentials.filter(|_| trusted))?;
        let response = self.perform(request, &realm).await?;
        let response = match response.status().as_u16() {
            200 => response,
            _ if withheld => {
                let why = format!(
                    "it asks for a token from {host}; its credentials were not sent there. \
                     List {host} under its authRealms in hallmark.yaml if it belongs to it"
                );
                return Err(self.refused(Refusal::Realm, why).into());
            }
            401 | 403 => {
                let why = format!("{host}: {}{}", response.status(), self.said(response).await);
                return Err(self.unauthorized(why));
            }
            _ => match self.judge(response, Side::Away).await? {
                Answer::Found(response) => response,
                Answer::Absent(status) => {
                    return Err(self.unavailable(format!("token service {host}: {status}")).into());
                }
            },
        };
        let bound = Bound::Limit("token", auth::MAX_TOKEN_BYTES as u64, "none");
        let token = auth::read_token(&self.body(response, bound).await?, &host);
        token.and_then(|t| auth::bearer(&t, &self.host)).map_err(|e| self.auth_fault(&e))
    }

    fn token_request(
        &self,
        side: Side,
        realm: &Url,
        service: Option<&str>,
        credentials: Option<Credentials>,
    ) -> Result<reqwest::RequestBuilder, Fault> {
        let pairs = || service.map(|s| ("service", s)).into_iter().chain([("scope", &*self.scope)]);
        if let Some(Credentials::IdentityToken(token)) = &credentials {
            let form = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(pairs())
                .append_pair("grant_type", "refresh_token")
                .append_pair("client_id", "hallmark")
                .append_pair("refresh_token", token.expose())
                .finish();
            return Ok(self
                .client(side)?
                .post(realm.clone())
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form));
        }
        let mut url = realm.clone();
        url.query_pairs_mut().extend_pairs(pairs());
        let request = self.client(side)?.get(url);
        match credentials {
            Some(Credentials::Password { user, password }) => {
                let value = auth::basic(&user, &password, &self.host);
                Ok(request.header(AUTHORIZATION, value.map_err(|e| self.auth_fault(&e))?))
            }
            _ => Ok(request),
        }
    }

    async fn credentials(&self) -> Result<Option<Credentials>, Fault> {
        let (files, repository) = (self.credentials.clone(), self.repository.clone());
        let lookup = move || credentials::lookup(&files, &repository);
        let lookup = tokio::task::spawn_blocking(lookup);
        match timeout(self.limits.request, lookup).await {
            Ok(Ok(found)) => found.map_err(|e| self.auth_fault(&e)),
            Ok(Err(_)) => Err(self.unauthorized("the look-up of its credentials broke down")),
            Err(_) => Err(self.unauthorized(format!(
                "the credential helper took too long ({})",
                crate::limits::key("request")
            ))),
        }
    }

    fn auth_fault(&self, error: &AuthError) -> Fault {
        self.unauthorized(error.to_string())
    }

    fn unauthorized(&self, why: impl Into<String>) -> Fault {
        SourceError::Unauthorized { place: self.place.clone(), why: why.into() }.into()
    }
}
