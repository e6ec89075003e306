//! The operations about operators and their tokens.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::session::Ending;
use super::{Enrolment, NewToken, OperatorView, Role, SessionView, TokenQuery, TokenView};
use crate::admin::caller::Way;
use crate::admin::door::Proof;
use crate::admin::extract::{Body, Path};
use crate::admin::operation::{Input, Operation, change, look};
use crate::admin::{Admin, AdminError, Caller};

/// Somebody new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct AddQuery {
    /// His name.
    pub(crate) name: String,
    /// What he may do.
    pub(crate) role: Role,
}

/// Another role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct RoleQuery {
    /// What he may do from now on.
    pub(crate) role: Role,
}

/// A token that ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct RevokeQuery {
    /// As it is listed.
    pub(crate) id: String,
}

/// Sessions that end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct SessionQuery {
    /// As it is listed; all of them when it is left out, but for the one that asks for its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
}

/// Who one is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MeView {
    /// What one is called.
    pub name: String,
    /// What one may do, in this session or with this token.
    pub role: Role,
    /// From where one comes: `socket`, or an address of the network.
    pub from: String,
}

/// The operations.
pub(in crate::admin) fn operations() -> Vec<Operation> {
    of_others().into_iter().chain(of_oneself()).collect()
}

fn of_others() -> Vec<Operation> {
    vec![
        look("/api/operators", Role::Admin, "All operators", list),
        change(
            "/api/operators/add",
            Role::Admin,
            "Add an operator: he sets his password with the code; not with a token",
            add,
        ),
        change(
            "/api/operators/{name}/role",
            Role::Admin,
            "Give an operator another role; not with a token",
            set_role,
        ),
        change(
            "/api/operators/{name}/reset",
            Role::Admin,
            "End all that an operator logs in with, and make a new code for him; not with a token",
            reset,
        ),
        change(
            "/api/operators/{name}/disable",
            Role::Admin,
            "Shut an operator out",
            disable,
        ),
        look(
            "/api/operators/{name}/tokens",
            Role::Admin,
            "The tokens of an operator",
            tokens,
        ),
        change(
            "/api/operators/{name}/tokens",
            Role::Admin,
            "Make a token for an operator: on the unix socket only, others make their own",
            make_token,
        ),
        change(
            "/api/operators/{name}/tokens/revoke",
            Role::Admin,
            "End a token of an operator",
            revoke,
        ),
        look(
            "/api/operators/{name}/sessions",
            Role::Admin,
            "Where an operator is logged in",
            sessions,
        ),
        change(
            "/api/operators/{name}/sessions/end",
            Role::Admin,
            "End a session of an operator, or all",
            end_sessions,
        ),
    ]
}

fn of_oneself() -> Vec<Operation> {
    vec![
        look("/api/me", Role::Viewer, "Who one is", me),
        look(
            "/api/me/sessions",
            Role::Viewer,
            "Where one is logged in",
            own_sessions,
        ),
        change(
            "/api/me/sessions/end",
            Role::Viewer,
            "End one of the own sessions, or all others",
            end_own_sessions,
        ),
        look("/api/me/tokens", Role::Viewer, "The own tokens", own_tokens),
        change(
            "/api/me/tokens",
            Role::Viewer,
            "Make an own token; not with a token",
            make_own_token,
        ),
        change(
            "/api/me/tokens/revoke",
            Role::Viewer,
            "End an own token",
            revoke_own,
        ),
    ]
}

type Us = State<Arc<Admin>>;
type Answer<T> = Result<Json<T>, AdminError>;

async fn list(State(admin): Us) -> Answer<Vec<OperatorView>> {
    admin.operators.list().await.map(Json)
}

/// The session in which somebody asks, if he asks in one.
struct This(Option<String>);

impl Input for This {}

impl<S: Send + Sync> FromRequestParts<S> for This {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AdminError> {
        let proof = parts.extensions.get::<Proof>();
        Ok(Self(proof.and_then(Proof::session_id)))
    }
}

/// A token that was stolen must not become a login that lives on without it.
fn expect_person(way: Way) -> Result<(), AdminError> {
    if way == Way::Token {
        return Err(AdminError::Forbidden(
            "with a token nobody makes or changes operators: log in with your password".to_owned(),
        ));
    }
    Ok(())
}

async fn add(
    State(admin): Us,
    (by, way): (Caller, Way),
    Body(query): Body<AddQuery>,
) -> Answer<Enrolment> {
    expect_person(way)?;
    let wish = (query.name.as_str(), query.role);
    admin.operators.add(wish, &by).await.map(Json)
}

async fn set_role(
    State(admin): Us,
    (Path(name), (by, way)): (Path<String>, (Caller, Way)),
    Body(query): Body<RoleQuery>,
) -> Answer<OperatorView> {
    expect_person(way)?;
    let wish = (name.as_str(), query.role);
    admin.operators.set_role(wish, &by).await.map(Json)
}

async fn reset(
    State(admin): Us,
    Path(name): Path<String>,
    (by, way): (Caller, Way),
) -> Answer<Enrolment> {
    expect_person(way)?;
    admin.operators.reset(&name, &by).await.map(Json)
}

async fn disable(State(admin): Us, Path(name): Path<String>, by: Caller) -> Answer<OperatorView> {
    admin.operators.disable(&name, &by).await.map(Json)
}

async fn tokens(State(admin): Us, Path(name): Path<String>) -> Answer<Vec<TokenView>> {
    admin.operators.tokens(&name).await.map(Json)
}

/// Who could make tokens for others could act in their names.
async fn make_token(
    State(admin): Us,
    (Path(name), by): (Path<String>, Caller),
    Body(query): Body<TokenQuery>,
) -> Answer<NewToken> {
    if !by.is_socket() {
        return Err(AdminError::Forbidden(
            "over the network everybody makes his own tokens only".to_owned(),
        ));
    }
    let wish = (name.as_str(), query);
    admin.operators.make_token(wish, &by).await.map(Json)
}

async fn revoke(
    State(admin): Us,
    Path(name): Path<String>,
    Body(query): Body<RevokeQuery>,
) -> Answer<TokenView> {
    admin.operators.revoke(&name, &query.id).await.map(Json)
}

async fn sessions(
    State(admin): Us,
    Path(name): Path<String>,
    This(this): This,
) -> Answer<Vec<SessionView>> {
    let sessions = admin.operators.sessions(&name, this.as_deref()).await;
    sessions.map(Json)
}

async fn end_sessions(
    State(admin): Us,
    Path(name): Path<String>,
    Body(query): Body<SessionQuery>,
) -> Answer<Vec<SessionView>> {
    let ending = query.id.as_deref().map_or(Ending::All, Ending::One);
    admin.operators.end_sessions(&name, ending).await.map(Json)
}

async fn me(by: Caller) -> Answer<MeView> {
    Ok(Json(MeView {
        name: by.name,
        role: by.role,
        from: by.from,
    }))
}

async fn own_tokens(State(admin): Us, by: Caller) -> Answer<Vec<TokenView>> {
    expect_name(&by)?;
    admin.operators.tokens(&by.name).await.map(Json)
}

/// A token that was stolen must not live on in others.
async fn make_own_token(
    State(admin): Us,
    (by, way): (Caller, Way),
    Body(mut query): Body<TokenQuery>,
) -> Answer<NewToken> {
    expect_name(&by)?;
    if way == Way::Token {
        return Err(AdminError::Forbidden(
            "a token cannot make tokens: log in with your password".to_owned(),
        ));
    }
    query.role = Some(query.role.unwrap_or(by.role));
    let wish = (by.name.as_str(), query);
    admin.operators.make_token(wish, &by).await.map(Json)
}

async fn revoke_own(
    State(admin): Us,
    by: Caller,
    Body(query): Body<RevokeQuery>,
) -> Answer<TokenView> {
    expect_name(&by)?;
    admin.operators.revoke(&by.name, &query.id).await.map(Json)
}

async fn own_sessions(State(admin): Us, by: Caller, This(this): This) -> Answer<Vec<SessionView>> {
    expect_name(&by)?;
    let sessions = admin.operators.sessions(&by.name, this.as_deref()).await;
    sessions.map(Json)
}

async fn end_own_sessions(
    State(admin): Us,
    (by, This(this)): (Caller, This),
    Body(query): Body<SessionQuery>,
) -> Answer<Vec<SessionView>> {
    expect_name(&by)?;
    let others = Ending::Others(this.as_deref());
    let ending = query.id.as_deref().map_or(others, Ending::One);
    let ended = admin.operators.end_sessions(&by.name, ending).await;
    ended.map(Json)
}

/// Who comes by the socket is called what he says, and has no tokens and no sessions.
fn expect_name(by: &Caller) -> Result<(), AdminError> {
    if !by.is_socket() {
        return Ok(());
    }
    Err(AdminError::Asked {
        what: "on the unix socket nobody has tokens or sessions of his own".to_owned(),
        hint: "name the operator: `tideover operator session list NAME`, `token list NAME`",
    })
}
