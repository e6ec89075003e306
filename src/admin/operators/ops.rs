//! The operations about operators and their tokens.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Enrolment, NewToken, OperatorView, Role, TokenQuery, TokenView};
use crate::admin::caller::Way;
use crate::admin::extract::{Body, Path};
use crate::admin::operation::{Operation, change, look};
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
    vec![
        look("/api/operators", Role::Admin, "All operators", list),
        change(
            "/api/operators/add",
            Role::Admin,
            "Add an operator: he sets his password with the code",
            add,
        ),
        change(
            "/api/operators/{name}/role",
            Role::Admin,
            "Give an operator another role",
            set_role,
        ),
        change(
            "/api/operators/{name}/reset",
            Role::Admin,
            "End all that an operator logs in with, and make a new code for him",
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
        look("/api/me", Role::Viewer, "Who one is", me),
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

async fn add(State(admin): Us, by: Caller, Body(query): Body<AddQuery>) -> Answer<Enrolment> {
    let wish = (query.name.as_str(), query.role);
    admin.operators.add(wish, &by).await.map(Json)
}

async fn set_role(
    State(admin): Us,
    (Path(name), by): (Path<String>, Caller),
    Body(query): Body<RoleQuery>,
) -> Answer<OperatorView> {
    let wish = (name.as_str(), query.role);
    admin.operators.set_role(wish, &by).await.map(Json)
}

async fn reset(State(admin): Us, Path(name): Path<String>, by: Caller) -> Answer<Enrolment> {
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

/// Who comes by the socket is called what he says, and has no tokens.
fn expect_name(by: &Caller) -> Result<(), AdminError> {
    if !by.is_socket() {
        return Ok(());
    }
    Err(AdminError::Asked {
        what: "on the unix socket nobody has tokens of his own".to_owned(),
        hint: "name the operator: `tideover operator token add NAME LABEL`",
    })
}
