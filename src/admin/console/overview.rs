//! The first page.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::Console;
use super::asker::Asker;
use super::fault::Fault;
use super::live::Live;
use super::shell::{Here, Shell, show};
use crate::admin::Role;

#[derive(Template)]
#[template(path = "console/overview.html")]
struct Page {
    shell: Shell,
    live: Live,
    may_check: bool,
}

pub(super) async fn page(State(console): State<Console>, asker: Asker) -> Result<Response, Fault> {
    show(&Page {
        live: console.live(&asker).await?,
        may_check: asker.may(Role::Operator),
        shell: console.shell(&asker, Here::Overview, "Overview"),
    })
}
