//! The first page.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::Console;
use super::asker::Asker;
use super::fault::Fault;
use super::live::Live;
use super::shell::{Here, Shell, show};

#[derive(Template)]
#[template(path = "console/overview.html")]
struct Page {
    shell: Shell,
    live: Live,
}

pub(super) async fn page(State(console): State<Console>, asker: Asker) -> Result<Response, Fault> {
    show(&Page {
        live: console.live(&asker).await?,
        shell: console.shell(&asker, Here::Overview, "Overview"),
    })
}
