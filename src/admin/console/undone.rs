//! What a form came to that arrived when its session was over: nothing, and its page is here.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::Console;
use super::asker::{Asker, Question};
use super::fault::Fault;
use super::shell::{Here, Shell, show};
use crate::frame::own_path;

#[derive(Template)]
#[template(path = "console/undone.html")]
struct Page {
    shell: Shell,
    /// Where the form was.
    back: String,
    /// What that page is called.
    name: &'static str,
}

pub(super) async fn page(
    State(console): State<Console>,
    asker: Asker,
    Question(fields): Question,
) -> Result<Response, Fault> {
    let page = own_path(fields.text("page"));
    show(&Page {
        shell: console.shell(&asker, Here::Elsewhere, "Not done"),
        back: page.to_owned(),
        name: Here::name_of(page),
    })
}
